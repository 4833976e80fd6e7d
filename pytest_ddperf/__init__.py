"""DeepDetect's performance report as regression tests.

The package is a pytest plugin (`pytest_ddperf.plugin`), a command (`ddperf`) and an embedded inference server.
Importing it costs nothing: every pytest run on the machine loads the plugin, so nothing heavy is imported before it is
used.
"""

__version__ = "0.1.0"
