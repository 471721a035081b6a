# The context switch of Boost.Context: plain assembly without any C++. Its objects go into libtaskpool itself, so that
# programs link with -ltaskpool alone and never get the shared Boost library (and with it libstdc++) by accident.
# Sets FCONTEXT_OBJECTS.
find_library(FCONTEXT_ARCHIVE libboost_context.a DOC "The static library of Boost.Context" REQUIRED)

execute_process(COMMAND ${CMAKE_AR} t ${FCONTEXT_ARCHIVE} OUTPUT_VARIABLE members COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "(make|jump)_[^\n]*\\.o" members "${members}")
list(LENGTH members count)
if(NOT count EQUAL 2)
    message(FATAL_ERROR "${FCONTEXT_ARCHIVE} has no make_fcontext and jump_fcontext of its own object files")
endif()
set(directory ${CMAKE_CURRENT_BINARY_DIR}/fcontext)
file(MAKE_DIRECTORY ${directory})
execute_process(COMMAND ${CMAKE_AR} x ${FCONTEXT_ARCHIVE} ${members}
    WORKING_DIRECTORY ${directory} COMMAND_ERROR_IS_FATAL ANY)
list(TRANSFORM members PREPEND ${directory}/ OUTPUT_VARIABLE FCONTEXT_OBJECTS)
set_source_files_properties(${FCONTEXT_OBJECTS} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
