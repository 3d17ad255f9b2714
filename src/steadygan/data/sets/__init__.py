"""The data sets that are known by name: the papers' synthetic ones, digits and photographs."""
