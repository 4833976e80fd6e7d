"""Everything that is printed or written about results: terminal, HTML, Markdown, CSV, JSON, GitHub, JUnit."""
