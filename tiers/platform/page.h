/* page.h - web/index.html, made part of the program when it is built. */
#ifndef MW_PLATFORM_PAGE_H
#define MW_PLATFORM_PAGE_H

#include <stddef.h>

extern const char mw_page_html[];
extern const size_t mw_page_html_size;

#endif
