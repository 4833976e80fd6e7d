"""Images for the embedded server: fetched, decoded, resized."""
