import os
import time
import uuid

import jwt  # PyJWT


def reader_token(user, session):
    """A token for somebody whom you have logged in: user and session are yours, never taken from the request."""
    now = int(time.time())
    claims = {
        "iss": "pushstream",
        "aud": "pushstream",
        "sub": user,
        "sid": session,
        "iat": now,
        "exp": now + 15 * 60,
        "jti": str(uuid.uuid4()),
        "pushstream": {"subscribe": ["topic:news"]},
    }
    return jwt.encode(claims, os.environ["PUSHSTREAM_AUTH_SECRET"], algorithm="HS256")


if __name__ == "__main__":
    print(reader_token("alice", "session-1"))
