"""A document agent: reads a long text section by section and writes a report once a human agrees."""
