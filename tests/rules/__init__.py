"""The rules that keep the shape, as code. Each is shown here with an example that it must refuse."""
