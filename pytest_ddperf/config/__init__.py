"""What the user asked for: options, settings, ddperf.toml, published tables, credentials."""
