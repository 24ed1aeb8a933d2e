# mw_folder(<folder> [DEPS <folder>...] [LIBS <target>...])
#
# One target a folder: every .c file of it, except the tests beside the sources, becomes the static
# library mw_<folder with underscores>; every <name>_test.c becomes a test of its own. DEPS are the
# folders it may include, LIBS the system libraries it calls. A second, shared link of the same objects
# with -z defs fails when the folder calls something that it did not name: that is the dependency rule.
function(mw_folder folder)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPS;LIBS")
    string(REPLACE "/" "_" name ${folder})
    set(here ${PROJECT_SOURCE_DIR}/${folder})
    file(GLOB sources CONFIGURE_DEPENDS ${here}/*.c)
    file(GLOB tests CONFIGURE_DEPENDS ${here}/*_test.c)
    if(tests)
        list(REMOVE_ITEM sources ${tests})
    endif()
    list(TRANSFORM arg_DEPS REPLACE "/" "_")
    list(TRANSFORM arg_DEPS PREPEND mw_)

    if(NOT sources)
        add_library(mw_${name} INTERFACE)
        target_include_directories(mw_${name} INTERFACE ${PROJECT_SOURCE_DIR})
        target_link_libraries(mw_${name} INTERFACE ${arg_DEPS} ${arg_LIBS})
        return()
    endif()

    add_library(mw_${name} STATIC ${sources})
    target_include_directories(mw_${name} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(mw_${name} PUBLIC ${arg_DEPS} ${arg_LIBS})
    if(folder MATCHES "^core")
        target_compile_options(mw_${name} PRIVATE -ffp-contract=off)
    else()
        target_compile_definitions(mw_${name} PRIVATE _GNU_SOURCE)
    endif()
    if(MW_CORE_ONLY)
        return()
    endif()

    if(NOT MW_SANITIZE)
        add_library(mw_${name}_alone MODULE ${CMAKE_CURRENT_BINARY_DIR}/${name}_alone.c)
        file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${name}_alone.c
             CONTENT "typedef int mw_nothing_here;\n")
        target_link_libraries(mw_${name}_alone PRIVATE
            -Wl,--whole-archive $<TARGET_FILE:mw_${name}> -Wl,--no-whole-archive
            ${arg_DEPS} ${arg_LIBS})
        target_link_options(mw_${name}_alone PRIVATE -Wl,-z,defs)
        add_dependencies(mw_${name}_alone mw_${name})
    endif()

    foreach(test ${tests})
        get_filename_component(file ${test} NAME_WE)
        set(target ${name}_${file})
        add_executable(${target} ${test})
        target_compile_definitions(${target} PRIVATE _GNU_SOURCE
            MW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
        target_link_libraries(${target} PRIVATE mw_${name} PkgConfig::cmocka m)
        add_test(NAME ${folder}/${file} COMMAND ${target})
        math(EXPR limit "120 * ${MW_PATIENCE}")
        set_tests_properties(${folder}/${file} PROPERTIES TIMEOUT ${limit} SKIP_RETURN_CODE 77)
    endforeach()
endfunction()
