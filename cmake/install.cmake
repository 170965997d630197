# `cmake --install`: program, library, headers, and what find_package and pkg-config read.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

if(JANG_SHARED)
  set(installed_library libjang_shared)
else()
  set(installed_library libjang)
endif()
set_target_properties(${installed_library} PROPERTIES EXPORT_NAME jang)
install(TARGETS jang RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS ${installed_library} EXPORT jangTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/jang DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/jang)
install(EXPORT jangTargets NAMESPACE jang:: DESTINATION ${package_folder})
configure_package_config_file(cmake/jangConfig.cmake.in ${CMAKE_BINARY_DIR}/jangConfig.cmake INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/jangConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/jangConfig.cmake ${CMAKE_BINARY_DIR}/jangConfigVersion.cmake DESTINATION ${package_folder})

# Written when it is installed, so that --prefix holds for it too.
install(CODE "
  set(PROJECT_VERSION \"${PROJECT_VERSION}\")
  set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
  set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
  set(JANG_CUDA_LINK_FLAGS \"${JANG_CUDA_LINK_FLAGS}\")
  configure_file(\"${CMAKE_SOURCE_DIR}/cmake/jang.pc.in\" \"${CMAKE_BINARY_DIR}/jang.pc\" @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/jang.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
