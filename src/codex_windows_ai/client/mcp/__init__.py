"""`cwai mcp`: a stdio proxy to the MCP endpoint that loads no model."""
