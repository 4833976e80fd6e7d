"""A server under test: its lifetime, lock, probe and services, the images it is sent, clients under load."""
