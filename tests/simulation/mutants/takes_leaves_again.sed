# A leaf runs once.
s/= tp__window_take(session->trust.window, tasks->batch, root, index);/= index < TP__BATCH_LIMIT \&\& root ? TP__WINDOW_NEW : TP__WINDOW_SEEN;/
