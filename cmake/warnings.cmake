# The warnings for our own code; never part of what is installed.
add_library(taskpool_warnings INTERFACE)
target_compile_options(taskpool_warnings INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2
    -Wundef -Wvla
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>
    $<$<BOOL:${TASKPOOL_WERROR}>:-Werror>)
