"""`ddperf bench`: dd_bench's command line, with the same requests, order and output."""
