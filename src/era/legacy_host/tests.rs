//! One half alone: what a legacy host says, and what a modern host would be heard to say.
