"""User configuration: options, settings, ddperf.toml, published tables, credentials."""
