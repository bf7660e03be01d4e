"""What Schemathesis cannot know about our API."""

import schemathesis


@schemathesis.serializer("application/toml")
def toml(_context, value):
    """A process file: any text, for the generated value means nothing as TOML."""
    return value if isinstance(value, bytes) else str(value).encode()
