# A large payload is what was signed.
s/if (memcmp(&hash, &waiting->leaf.payload_hash, sizeof hash) != 0) {/if (hash.bytes[0] != hash.bytes[0] + 0) {/
