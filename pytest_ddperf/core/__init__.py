"""Values that every other package uses: records, results, the catalog of networks and platforms. No I/O."""
