"""What a figure shows, as pure values; matplotlib is not imported here."""
