"""DeepDetect's REST API, client side: requests, answers and their checks, errors, time limits."""
