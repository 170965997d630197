# Runs the C program of the C API on the bundled model. cmake -DPROGRAM= -DSOURCE_DIR= -DBUILD_DIR= -P c_api.cmake
set(work "${BUILD_DIR}/c_api_model")
file(REMOVE_RECURSE "${work}")
execute_process(COMMAND ${PROGRAM} ${SOURCE_DIR}/examples/gutenberg-moe-9m ${work} RESULT_VARIABLE code)
file(REMOVE_RECURSE "${work}")
if(NOT code EQUAL 0)
  message(FATAL_ERROR "ended with ${code}")
endif()
