"""dd_bench's command line: its requests, its order, its output."""
