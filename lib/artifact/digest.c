/* digest.c - SHA-256 digests as text, and the start of libcrypto. */
#include "lib/artifact/parts.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

void mw_crypto_start(void)
{
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

void mw_sha256_hex(const void *data, size_t size, char hex[MW_KEYID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    memset(hex, 0, MW_KEYID_TEXT);
    mw_crypto_start();
    if (EVP_Digest(size > 0 ? data : "", size, hash, &length, EVP_sha256(), NULL) != 1 ||
        length != 32) {
        return;
    }
    for (size_t i = 0; i < length; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
}

void mw_digest(const void *data, size_t size, char digest[MW_DIGEST_TEXT])
{
    char hex[MW_KEYID_TEXT];
    mw_sha256_hex(data, size, hex);
    (void)snprintf(digest, MW_DIGEST_TEXT, "%s%s", hex[0] != '\0' ? "sha256:" : "", hex);
}

bool mw_digest_valid(struct mw_span digest)
{
    if (digest.size != 71 || memcmp(digest.data, "sha256:", 7) != 0) {
        return false;
    }
    for (size_t i = 7; i < digest.size; i++) {
        char c = digest.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}
