//! Which revision a server is spoken to in, whatever it answers to the first question.
