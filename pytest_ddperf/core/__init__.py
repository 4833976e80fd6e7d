"""Values used by all other packages: records, results, the catalog of networks and platforms. No I/O."""
