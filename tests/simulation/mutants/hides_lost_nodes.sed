# The coordinator tells drivers which nodes are lost.
/^void use_end/,/^}/s/    if (reason)/    if (reason \&\& coordinator->stopped)/
