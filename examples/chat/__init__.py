"""A chat agent that answers with the help of tools."""
