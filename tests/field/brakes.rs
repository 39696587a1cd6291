//! Sign-ins are held back by what was sent and answered, never by the clock alone.
