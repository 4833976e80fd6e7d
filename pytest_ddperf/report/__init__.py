"""Reports of results: terminal, HTML, Markdown, CSV, JSON, GitHub, JUnit."""
