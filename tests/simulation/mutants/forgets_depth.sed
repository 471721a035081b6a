# A full node takes deeper tasks all the same: what is parked there waits for them.
s/use->room + depth - (int64_t)use->sent/use->room - (int64_t)use->sent/
