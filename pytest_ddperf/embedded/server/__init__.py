"""The embedded server's HTTP side: requests, services, answers."""
