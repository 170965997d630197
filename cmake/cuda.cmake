# The kernels for NVIDIA GPUs: src/kernels/cuda/*.cu through nvcc into objects of the library. CUDA is not enabled as a language of the
# project, because CMake would then link every program with nvcc; the runtime is an archive, which finds the driver when the program runs.
if(NOT JANG_NVCC)
  message(FATAL_ERROR "JANG_CUDA needs nvcc, which was not found; name it with -DJANG_NVCC= or build with -DJANG_CUDA=OFF")
endif()

# The toolkit's folders, of the compiler that is really run: nvcc may be a link or a script.
execute_process(COMMAND ${JANG_NVCC} -dryrun -E -x cu /dev/null OUTPUT_QUIET ERROR_VARIABLE nvcc_says RESULT_VARIABLE nvcc_failed)
if(nvcc_failed OR NOT nvcc_says MATCHES "#\\$ TOP=([^\n]+)")
  message(FATAL_ERROR "${JANG_NVCC} does not say where its toolkit is:\n${nvcc_says}")
endif()
get_filename_component(JANG_CUDA_TOOLKIT "${CMAKE_MATCH_1}" REALPATH)
find_path(JANG_CUDA_INCLUDE_DIR cuda_runtime_api.h HINTS ${JANG_CUDA_TOOLKIT}/include ${JANG_CUDA_TOOLKIT}/targets/x86_64-linux/include
  ${JANG_CUDA_TOOLKIT}/targets/sbsa-linux/include REQUIRED)
find_library(JANG_CUDART_LIBRARY cudart_static HINTS ${JANG_CUDA_TOOLKIT}/lib64 ${JANG_CUDA_TOOLKIT}/lib
  ${JANG_CUDA_TOOLKIT}/targets/x86_64-linux/lib ${JANG_CUDA_TOOLKIT}/targets/sbsa-linux/lib REQUIRED)

# 90-real: machine code; 80-virtual: PTX, which the driver compiles; 90: both. 90a: 90 with the warpgroup products that prompts need.
set(JANG_CUDA_FLAGS -std=c++20 -O3 -Xcompiler=-fPIC,-fvisibility=hidden)
foreach(architecture ${JANG_CUDA_ARCHITECTURES})
  string(REGEX MATCH "^[0-9]+[af]?" number "${architecture}")
  if(NOT number OR NOT architecture MATCHES "^[0-9]+[af]?(-real|-virtual)?$")
    message(FATAL_ERROR "JANG_CUDA_ARCHITECTURES: '${architecture}' is not of the form 90, 90-real or 90-virtual")
  endif()
  if(NOT architecture MATCHES "-virtual$")
    list(APPEND JANG_CUDA_FLAGS -gencode=arch=compute_${number},code=sm_${number})
    if(number STREQUAL "90a")  # Hopper's own instructions, which 90 does not have
      list(APPEND JANG_CUDA_FLAGS -DJANG_CUDA_WARPGROUPS)
    endif()
  endif()
  if(NOT architecture MATCHES "-real$")
    list(APPEND JANG_CUDA_FLAGS -gencode=arch=compute_${number},code=compute_${number})
  endif()
endforeach()
if(JANG_WERROR)
  list(APPEND JANG_CUDA_FLAGS -Werror=all-warnings)
endif()

file(GLOB JANG_CUDA_SOURCES CONFIGURE_DEPENDS src/kernels/cuda/*.cu)
set(JANG_CUDA_OBJECTS)
foreach(source ${JANG_CUDA_SOURCES})
  get_filename_component(stem ${source} NAME_WE)
  set(object ${CMAKE_BINARY_DIR}/cuda/${stem}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${JANG_NVCC} ${JANG_CUDA_FLAGS} -I${CMAKE_SOURCE_DIR}/src -I${CMAKE_SOURCE_DIR}/include
      -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d COMMENT "Building CUDA object ${stem}.o" VERBATIM)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  list(APPEND JANG_CUDA_OBJECTS ${object})
endforeach()
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/cuda)
add_custom_target(jang_cuda_objects DEPENDS ${JANG_CUDA_OBJECTS})

# Only these files know of it, so that the option rebuilds nothing else.
file(GLOB JANG_CUDA_HOST_SOURCES src/kernels/cuda/*.cpp)
set_source_files_properties(${JANG_CUDA_HOST_SOURCES} PROPERTIES SKIP_PRECOMPILE_HEADERS ON COMPILE_OPTIONS "-isystem;${JANG_CUDA_INCLUDE_DIR}")
set_source_files_properties(src/kernels/devices.cpp src/kernels/accelerators.cpp src/kernels/read_speed.cpp PROPERTIES
  COMPILE_DEFINITIONS JANG_HAS_CUDA)
# Whoever links the archive links the runtime too; for pkg-config with a space behind.
set(JANG_CUDA_LIBRARIES ${JANG_CUDART_LIBRARY} ${CMAKE_DL_LIBS} rt)
set(JANG_CUDA_LINK_FLAGS "${JANG_CUDART_LIBRARY} -ldl -lrt ")
