# What core/ needs on a target for which Debian has no libraries: kissfft and nanopb from source, as
# cmake/debian-source.sh fetches them, and jsmn.h away from the host's other headers.
set(MW_KISSFFT_SOURCE ${PROJECT_SOURCE_DIR}/build/kissfft CACHE PATH "kissfft's unpacked source package")
if(NOT EXISTS ${MW_KISSFFT_SOURCE}/kiss_fft.c)
    message(FATAL_ERROR "no kissfft in ${MW_KISSFFT_SOURCE}: sh cmake/debian-source.sh kissfft ${MW_KISSFFT_SOURCE}")
endif()
add_library(kissfft STATIC ${MW_KISSFFT_SOURCE}/kiss_fft.c ${MW_KISSFFT_SOURCE}/kiss_fftr.c)
target_include_directories(kissfft SYSTEM PUBLIC ${MW_KISSFFT_SOURCE})
target_compile_definitions(kissfft PUBLIC kiss_fft_scalar=float PRIVATE NDEBUG)
# core/ always brings the memory, and only lengths that need none while the transform runs.
target_compile_options(kissfft PRIVATE -w "-DKISS_FFT_MALLOC(n)=NULL" "-DKISS_FFT_FREE(p)=((void)0)")
set(MW_KISSFFT kissfft)

set(MW_NANOPB_SOURCE ${PROJECT_SOURCE_DIR}/build/nanopb CACHE PATH "nanopb's unpacked source package")
if(NOT EXISTS ${MW_NANOPB_SOURCE}/pb_decode.c)
    message(FATAL_ERROR "no nanopb in ${MW_NANOPB_SOURCE}: sh cmake/debian-source.sh nanopb ${MW_NANOPB_SOURCE}")
endif()
add_library(nanopb STATIC ${MW_NANOPB_SOURCE}/pb_common.c ${MW_NANOPB_SOURCE}/pb_decode.c
            ${MW_NANOPB_SOURCE}/pb_encode.c)
target_include_directories(nanopb SYSTEM PUBLIC ${MW_NANOPB_SOURCE})
target_compile_definitions(nanopb PRIVATE NDEBUG)
target_compile_options(nanopb PRIVATE -w)
set(MW_NANOPB nanopb)

find_file(MW_JSMN jsmn.h PATHS /usr/include NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED)
configure_file(${MW_JSMN} ${CMAKE_BINARY_DIR}/include/jsmn.h COPYONLY)
include_directories(SYSTEM ${CMAKE_BINARY_DIR}/include)
