#include "lib/kube/config.h"

#include "lib/kube/yaml.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 20 };

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

void mw_kube_config_clear(struct mw_kube_config *config)
{
    free(config->server);
    free(config->space);
    free(config->token);
    free(config->token_file);
    mw_buffer_free(&config->ca);
    mw_buffer_free(&config->certificate);
    mw_buffer_free(&config->key);
    *config = (struct mw_kube_config){0};
}

static mw_err no_memory(struct mw_error *error)
{
    return mw_error_set(error, MW_ERR_MEMORY, "out of memory");
}

static mw_err copy(char **out, const char *text, struct mw_error *error)
{
    *out = strdup(text);
    return *out == NULL ? no_memory(error) : MW_OK;
}

/* ---- in a pod ---- */

static mw_err read_beside(const char *folder, const char *name, struct mw_buffer *out,
                          struct mw_error *error)
{
    char path[PATH_MAX];
    if (mw_file_join(path, sizeof path, folder, name) != MW_OK) {
        return mw_error_set(error, MW_ERR_TOO_LARGE, "%s: path too long", folder);
    }
    return mw_file_read(path, FILE_MOST, out, error);
}

static mw_err server_from_environment(struct mw_kube_config *config, struct mw_error *error)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    if (host == NULL || host[0] == '\0') {
        return mw_error_set(error, MW_ERR_NOT_FOUND,
                            "KUBERNETES_SERVICE_HOST is not set: this is no pod, so --kubeconfig "
                            "was expected");
    }
    bool six = strchr(host, ':') != NULL;
    if (asprintf(&config->server, "https://%s%s%s:%s", six ? "[" : "", host, six ? "]" : "",
                 port == NULL || port[0] == '\0' ? "443" : port) < 0) {
        config->server = NULL;
        return no_memory(error);
    }
    return MW_OK;
}

mw_err mw_kube_config_in_cluster(struct mw_kube_config *config, const char *folder,
                                 struct mw_error *error)
{
    struct mw_buffer space = {0};
    *config = (struct mw_kube_config){0};
    folder = folder == NULL ? ACCOUNT : folder;
    mw_err err = server_from_environment(config, error);
    if (err == MW_OK) {
        err = read_beside(folder, "ca.crt", &config->ca, error);
    }
    if (err == MW_OK) {
        err = read_beside(folder, "namespace", &space, error);
    }
    if (err == MW_OK) {
        err = copy(&config->space, space.data == NULL ? "default" : space.data, error);
    }
    if (err == MW_OK && asprintf(&config->token_file, "%s/token", folder) < 0) {
        config->token_file = NULL;
        err = no_memory(error);
    }
    mw_buffer_free(&space);
    if (err != MW_OK) {
        mw_kube_config_clear(config);
    }
    return err;
}

/* ---- a kubeconfig ---- */

static mw_err decode(const char *text, struct mw_buffer *out, const char *what,
                     struct mw_error *error)
{
    size_t size = strlen(text);
    if (size > FILE_MOST || mw_buffer_reserve(out, size / 4 * 3 + 4) != MW_OK) {
        return no_memory(error);
    }
    int n = EVP_DecodeBlock((unsigned char *)out->data, (const unsigned char *)text, (int)size);
    if (n < 0) {
        return mw_error_set(error, MW_ERR_PARSE, "%s: base64 was expected", what);
    }
    for (size_t i = size; i > 0 && text[i - 1] == '=' && n > 0; i--) {
        n--;
    }
    out->size = (size_t)n;
    out->data[out->size] = '\0';
    return MW_OK;
}

static mw_err read_named(const char *name, const char *path, struct mw_buffer *out,
                         struct mw_error *error)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 1 : (int)(slash - path);
    snprintf(folder, sizeof folder, "%.*s", size, slash == NULL ? "." : path);
    return name[0] == '/' ? mw_file_read(name, FILE_MOST, out, error)
                          : read_beside(folder, name, out, error);
}

/* "certificate-authority-data" in base64, or "certificate-authority" in a file; neither: empty. */
static mw_err read_pem(const json_t *from, const char *key, const char *path, struct mw_buffer *out,
                       struct mw_error *error)
{
    char data[64];
    snprintf(data, sizeof data, "%s-data", key);
    const char *text = json_string_value(json_object_get(from, data));
    if (text != NULL) {
        return decode(text, out, data, error);
    }
    const char *name = json_string_value(json_object_get(from, key));
    return name == NULL ? MW_OK : read_named(name, path, out, error);
}

/* The part of the list "clusters" whose name this is: clusters[name=..].cluster. */
static const json_t *find(const json_t *root, const char *list, const char *part, const char *name)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(root, list), index, item)
    {
        const char *its = json_string_value(json_object_get(item, "name"));
        if (its != NULL && name != NULL && strcmp(its, name) == 0) {
            return json_object_get(item, part);
        }
    }
    return NULL;
}

static mw_err read_cluster(struct mw_kube_config *config, const json_t *cluster, const char *path,
                           struct mw_error *error)
{
    const char *server = json_string_value(json_object_get(cluster, "server"));
    if (server == NULL ||
        (strncmp(server, "https://", 8) != 0 && strncmp(server, "http://", 7) != 0)) {
        return mw_error_set(error, MW_ERR_PARSE, "clusters: server: an https:// URL was expected");
    }
    if (json_is_true(json_object_get(cluster, "insecure-skip-tls-verify"))) {
        return mw_error_set(error, MW_ERR_UNSUPPORTED,
                            "clusters: insecure-skip-tls-verify: give certificate-authority");
    }
    mw_err err = copy(&config->server, server, error);
    for (size_t n = strlen(server); err == MW_OK && config->server[n - 1] == '/'; n--) {
        config->server[n - 1] = '\0';
    }
    return err == MW_OK ? read_pem(cluster, "certificate-authority", path, &config->ca, error)
                        : err;
}

static mw_err read_user(struct mw_kube_config *config, const json_t *user, const char *path,
                        struct mw_error *error)
{
    static const char *const foreign[] = {"exec", "auth-provider", "username"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (json_object_get(user, foreign[i]) != NULL) {
            return mw_error_set(error, MW_ERR_UNSUPPORTED,
                                "users: %s: certificates or a token were expected", foreign[i]);
        }
    }
    const char *token = json_string_value(json_object_get(user, "token"));
    const char *token_file = json_string_value(json_object_get(user, "tokenFile"));
    mw_err err = read_pem(user, "client-certificate", path, &config->certificate, error);
    if (err == MW_OK) {
        err = read_pem(user, "client-key", path, &config->key, error);
    }
    if (err == MW_OK && token != NULL) {
        err = copy(&config->token, token, error);
    }
    return err == MW_OK && token_file != NULL ? copy(&config->token_file, token_file, error) : err;
}

static mw_err read_context(struct mw_kube_config *config, const json_t *root, const char *path,
                           struct mw_error *error)
{
    const char *name = json_string_value(json_object_get(root, "current-context"));
    const json_t *context = find(root, "contexts", "context", name);
    const json_t *cluster =
        find(root, "clusters", "cluster", json_string_value(json_object_get(context, "cluster")));
    const json_t *user =
        find(root, "users", "user", json_string_value(json_object_get(context, "user")));
    if (context == NULL || cluster == NULL) {
        return mw_error_set(error, MW_ERR_PARSE,
                            "current-context: a context with its cluster was expected");
    }
    const char *space = json_string_value(json_object_get(context, "namespace"));
    mw_err err = copy(&config->space, space == NULL ? "default" : space, error);
    if (err == MW_OK) {
        err = read_cluster(config, cluster, path, error);
    }
    return err == MW_OK ? read_user(config, user, path, error) : err;
}

mw_err mw_kube_config_parse(struct mw_kube_config *config, const char *text, size_t size,
                            const char *path, struct mw_error *error)
{
    json_t *root = NULL;
    *config = (struct mw_kube_config){0};
    mw_err err = mw_kube_yaml_parse((struct mw_span){text, size}, path, &root, error);
    if (err != MW_OK) {
        return err;
    }
    struct mw_error why = {0};
    err = read_context(config, root, path, &why);
    json_decref(root);
    if (err != MW_OK) {
        mw_kube_config_clear(config);
        return mw_error_set(error, err, "%s: %s", path, why.text);
    }
    return MW_OK;
}

mw_err mw_kube_config_read(struct mw_kube_config *config, const char *path, struct mw_error *error)
{
    struct mw_buffer text = {0};
    *config = (struct mw_kube_config){0};
    mw_err err = mw_file_read(path, FILE_MOST, &text, error);
    if (err == MW_OK) {
        err = mw_kube_config_parse(config, text.data, text.size, path, error);
    }
    mw_buffer_free(&text);
    return err;
}
