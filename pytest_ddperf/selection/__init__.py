"""`ddperf select`: which platform, network and batch size meets an application's constraints."""
