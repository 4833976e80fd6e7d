"""The command `ddperf`, one module per subcommand."""
