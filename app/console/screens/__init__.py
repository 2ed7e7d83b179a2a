"""The pages; each a function without arguments that draws from `app.console.data`."""
