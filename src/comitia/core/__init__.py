"""The shared vocabulary: errors, canonical codec, identities, cryptography, signed envelopes."""
