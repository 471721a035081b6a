# A confirmed take is an effect: the attempt is not run again.
/^void tp__session_confirm/,/^}/s/    tp__session_mark_effect(task);//
