"""The embedded server's HTTP interface: requests, services, responses."""
