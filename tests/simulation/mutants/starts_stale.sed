# A process may start what it has of a driver of which nothing was heard for 60 s.
s/talk.fresh_ms + FRESH_MS;/talk.fresh_ms + 1000 * FRESH_MS;/
