# mw_embed(<target> <file> <symbol>)
#
# Makes a file part of a target: `const char <symbol>[]` and `const size_t <symbol>_size`, written as C
# whenever the file changes. Run as a script (-P, with IN, OUT and SYMBOL) it does the writing.
if(CMAKE_SCRIPT_MODE_FILE)
    file(READ "${IN}" hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
    file(WRITE "${OUT}" "#include <stddef.h>\n\nextern const char ${SYMBOL}[];\n"
         "extern const size_t ${SYMBOL}_size;\n\nconst char ${SYMBOL}[] = {\n${bytes}\n'\\0'};\n"
         "const size_t ${SYMBOL}_size = sizeof ${SYMBOL} - 1;\n")
    return()
endif()

set(MW_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(mw_embed target file symbol)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DIN=${PROJECT_SOURCE_DIR}/${file} -DOUT=${out}
                -DSYMBOL=${symbol} -P ${MW_EMBED_SCRIPT}
        DEPENDS ${PROJECT_SOURCE_DIR}/${file} ${MW_EMBED_SCRIPT}
        COMMENT "Embedding ${file}")
    target_sources(${target} PRIVATE ${out})
endfunction()
