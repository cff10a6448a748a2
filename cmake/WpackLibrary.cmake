# The two libraries that users link, made of the layers' objects, and how everything is installed.
#
#   wpack_shared  (wpack::wpack)   libwpack.so: exports what include/wpack marks WPACK_EXPORT
#   wpack_static  (wpack::static)  libwpack.a:  one archive, needs its dependencies beside it

get_property(layers GLOBAL PROPERTY WPACK_LAYERS)
get_property(libraries GLOBAL PROPERTY WPACK_LAYER_LIBRARIES)
list(REMOVE_DUPLICATES libraries)
list(TRANSFORM layers REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
set(export_map ${CMAKE_CURRENT_LIST_DIR}/wpack.map)

add_library(wpack_shared SHARED ${objects})
add_library(wpack::wpack ALIAS wpack_shared)
set_target_properties(wpack_shared PROPERTIES
  OUTPUT_NAME wpack
  EXPORT_NAME wpack
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}
  LINKER_LANGUAGE CXX
  LINK_DEPENDS ${export_map})
target_link_options(wpack_shared PRIVATE -Wl,--version-script=${export_map})
target_link_libraries(wpack_shared PRIVATE wpack_flags ${libraries} Threads::Threads)

add_library(wpack_static STATIC ${objects})
add_library(wpack::static ALIAS wpack_static)
set_target_properties(wpack_static PROPERTIES
  OUTPUT_NAME wpack
  EXPORT_NAME static
  LINKER_LANGUAGE CXX)
target_link_libraries(wpack_static PRIVATE ${libraries} Threads::Threads)

foreach(library wpack_shared wpack_static)
  target_compile_features(${library} PUBLIC cxx_std_20)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

# What `cmake --install` copies. The tree may be moved afterwards: nothing in it names its prefix.
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/wpack)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/wpack DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/rules DESTINATION ${CMAKE_INSTALL_DATADIR}/wpack
        FILES_MATCHING PATTERN "*.json")
install(TARGETS wpack_shared EXPORT wpackTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS wpack_static EXPORT wpackStaticTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT wpackTargets NAMESPACE wpack:: DESTINATION ${config_dir})
install(EXPORT wpackStaticTargets NAMESPACE wpack:: DESTINATION ${config_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/wpackConfig.cmake.in
  ${PROJECT_BINARY_DIR}/wpackConfig.cmake INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/wpackConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/wpackConfig.cmake ${PROJECT_BINARY_DIR}/wpackConfigVersion.cmake
        DESTINATION ${config_dir})

file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(name wpack wpack-static)
  configure_file(${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
