/* trust_keys.c - ECDSA P-256 keys: made, kept as PEM, named by TUF's key id, signing and verifying.
 */
#include "lib/artifact/parts.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define KEY_TYPE "ecdsa"
#define KEY_SCHEME "ecdsa-sha2-nistp256"
#define KEY_FILE_MAX 16384 /* bytes of a PEM file */
#define SIGNATURE_MAX 128  /* bytes; a DER signature of P-256 has at most 72 */

static mw_err crypto_error(struct mw_error *error, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_get_error());
    ERR_clear_error();
    return mw_error_set(error, MW_ERR_MEMORY, "%s: %s", what,
                        reason != NULL ? reason : "libcrypto failed");
}

static bool is_p256(const EVP_PKEY *key)
{
    char group[32] = "";
    size_t length = 0;
    return EVP_PKEY_is_a(key, "EC") == 1 &&
           EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

mw_err mw_key_make(const char *path, EVP_PKEY **key, struct mw_error *error)
{
    mw_crypto_start();
    *key = NULL;
    EVP_PKEY *made = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    if (made == NULL || bio == NULL ||
        PEM_write_bio_PKCS8PrivateKey(bio, made, NULL, NULL, 0, NULL, NULL) != 1) {
        mw_err err = crypto_error(error, path);
        BIO_free(bio);
        EVP_PKEY_free(made);
        return err;
    }
    long size = BIO_get_mem_data(bio, &text);
    mw_err err = mw_file_write(path, text, (size_t)size, 0600, error);
    BIO_free(bio); /* clears the private key's text */
    if (err != MW_OK) {
        EVP_PKEY_free(made);
        return err;
    }
    *key = made;
    return MW_OK;
}

mw_err mw_key_load(const char *path, EVP_PKEY **key, struct mw_error *error)
{
    struct mw_buffer text = {0};
    mw_crypto_start();
    *key = NULL;
    mw_err err = mw_file_read(path, KEY_FILE_MAX, &text, error);
    if (err == MW_OK) {
        BIO *bio = BIO_new_mem_buf(text.data, (int)text.size);
        /* An empty pass phrase, so that an encrypted file fails instead of asking the terminal. */
        EVP_PKEY *read = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
        BIO_free(bio);
        if (read == NULL || !is_p256(read)) {
            EVP_PKEY_free(read);
            ERR_clear_error();
            err =
                mw_error_set(error, MW_ERR_PARSE, "%s: not an unencrypted P-256 private key", path);
        } else {
            *key = read;
        }
    }
    if (text.data != NULL) {
        OPENSSL_cleanse(text.data, text.capacity);
    }
    mw_buffer_free(&text);
    return err;
}

mw_err mw_key_public(EVP_PKEY *key, json_t **json, struct mw_error *error)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    *json = NULL;
    if (bio == NULL || PEM_write_bio_PUBKEY(bio, key) != 1) {
        BIO_free(bio);
        return crypto_error(error, "public key");
    }
    long size = BIO_get_mem_data(bio, &text);
    *json = json_pack("{s:s, s:{s:s%}, s:s}", "keytype", KEY_TYPE, "keyval", "public", text,
                      (size_t)size, "scheme", KEY_SCHEME);
    BIO_free(bio);
    return *json != NULL ? MW_OK : crypto_error(error, "public key");
}

mw_err mw_key_id(const json_t *key, char id[MW_KEYID_TEXT])
{
    struct mw_buffer text = {0};
    mw_err err = mw_json_canonical(key, &text);
    if (err == MW_OK) {
        mw_sha256_hex(text.data, text.size, id);
    }
    mw_buffer_free(&text);
    return err;
}

mw_err mw_key_sign(EVP_PKEY *key, struct mw_span message, struct mw_buffer *hex,
                   struct mw_error *error)
{
    unsigned char signature[SIGNATURE_MAX];
    size_t size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL &&
                EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
                EVP_DigestSign(context, signature, &size, (const unsigned char *)message.data,
                               message.size) == 1;
    EVP_MD_CTX_free(context);
    if (!good) {
        return crypto_error(error, "signing");
    }
    mw_err err = MW_OK;
    for (size_t i = 0; err == MW_OK && i < size; i++) {
        err = mw_buffer_printf(hex, "%02x", signature[i]);
    }
    return err;
}

/* The bytes of a hex text; 0 when it is malformed or too long. */
static size_t unhex(const char *hex, unsigned char bytes[SIGNATURE_MAX])
{
    size_t n = strlen(hex);
    if (n % 2 != 0 || n / 2 > SIGNATURE_MAX) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        int digit = OPENSSL_hexchar2int((unsigned char)hex[i]);
        if (digit < 0) {
            return 0;
        }
        bytes[i / 2] = (unsigned char)(i % 2 == 0 ? digit << 4 : bytes[i / 2] | digit);
    }
    return n / 2;
}

/* The public key of TUF's JSON, or NULL when it is none that this program takes. */
static EVP_PKEY *read_public(const json_t *json)
{
    const char *type = mw_json_string(json, "keytype");
    const char *scheme = mw_json_string(json, "scheme");
    const char *pem = mw_json_string(json_object_get(json, "keyval"), "public");
    if (type == NULL || scheme == NULL || pem == NULL || strcmp(type, KEY_TYPE) != 0 ||
        strcmp(scheme, KEY_SCHEME) != 0 || strlen(pem) > KEY_FILE_MAX) {
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (key != NULL && !is_p256(key)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

mw_err mw_key_verify(const json_t *key, struct mw_span message, const char *hex,
                     struct mw_error *error)
{
    unsigned char signature[SIGNATURE_MAX];
    mw_crypto_start();
    size_t size = unhex(hex, signature);
    if (size == 0) {
        return mw_error_set(error, MW_ERR_SIGNATURE, "the signature is not hexadecimal");
    }
    EVP_PKEY *public_key = read_public(key);
    if (public_key == NULL) {
        ERR_clear_error();
        return mw_error_set(error, MW_ERR_SIGNATURE, "the key is not " KEY_TYPE " " KEY_SCHEME);
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good =
        context != NULL &&
        EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, public_key, NULL) == 1 &&
        EVP_DigestVerify(context, signature, size, (const unsigned char *)message.data,
                         message.size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public_key);
    ERR_clear_error();
    return good ? MW_OK : mw_error_set(error, MW_ERR_SIGNATURE, "the signature does not verify");
}
