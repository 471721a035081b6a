# A part of the coordinator's queue is kept for deeper tasks.
s|return depth == 0 ? limit / 2 : limit / 4 \* 3;|return limit;|
