/* config.h - where the API server is and who we are there: the service account of a pod, or a
 * kubeconfig. */
#ifndef MW_KUBE_CONFIG_H
#define MW_KUBE_CONFIG_H

#include "lib/base/error.h"
#include "lib/base/file.h"

struct mw_kube_config {
    char *server;                 /* "https://10.96.0.1:443", without a slash at the end */
    char *space;                  /* namespace to work in when none is said */
    char *token;                  /* NULL: none, or token_file */
    char *token_file;             /* read again for each request: the kubelet renews it */
    struct mw_buffer ca;          /* PEM; empty: the system's authorities */
    struct mw_buffer certificate; /* PEM of our own, and its key; empty: none */
    struct mw_buffer key;
};

/* What every pod is given: the folder with ca.crt, token and namespace, and the server's address in
 * the environment. folder NULL: /var/run/secrets/kubernetes.io/serviceaccount. Errors: NOT_FOUND
 * (we are in no pod), IO. */
mw_err mw_kube_config_in_cluster(struct mw_kube_config *config, const char *folder,
                                 struct mw_error *error);

/* Reads a kubeconfig: its current-context, with certificates or a token, in the file or in files
 * beside it. What would need another program (exec, auth-provider) and insecure-skip-tls-verify are
 * refused. Errors: NOT_FOUND, PARSE, UNSUPPORTED, IO. */
mw_err mw_kube_config_read(struct mw_kube_config *config, const char *path, struct mw_error *error);

/* The same from memory; path is for messages and for relative file names. */
mw_err mw_kube_config_parse(struct mw_kube_config *config, const char *text, size_t size,
                            const char *path, struct mw_error *error);

void mw_kube_config_clear(struct mw_kube_config *config);

#endif
