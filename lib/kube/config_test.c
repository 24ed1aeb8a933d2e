#include "lib/kube/config.h"

#include "lib/base/test.h"

#define HEAD                                                                      \
    "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n" \
    "clusters: [{name: c, cluster: {server: 'https://h:6443/'"

static void a_kubeconfig_with_certificates_is_read(void **state)
{
    static const char text[] =
        HEAD ", certificate-authority-data: QUJD}}]\n"
             "users: [{name: x, user: {}}, {name: u, user: {client-certificate-data: QUI=, "
             "client-key-data: QQ==}}]\n";
    struct mw_kube_config config;
    (void)state;
    assert_ok(mw_kube_config_parse(&config, text, sizeof text - 1, "config", error));
    assert_string_equal(config.server, "https://h:6443");
    assert_string_equal(config.space, "default");
    assert_string_equal(config.ca.data, "ABC");
    assert_string_equal(config.certificate.data, "AB");
    assert_string_equal(config.key.data, "A");
    assert_int_equal(config.key.size, 1);
    mw_kube_config_clear(&config);
}

static void files_lie_beside_it(void **state)
{
    static const char text[] =
        HEAD ", certificate-authority: ca.pem}}]\nusers: [{name: u, user: {token: t}}]\n";
    char folder[64], path[96], ca[96];
    struct mw_kube_config config;
    (void)state;
    test_folder_make(folder);
    snprintf(path, sizeof path, "%s/config", folder);
    snprintf(ca, sizeof ca, "%s/ca.pem", folder);
    assert_ok(mw_file_write(path, text, sizeof text - 1, 0600, error));
    assert_refused(mw_kube_config_read(&config, path, error), MW_ERR_NOT_FOUND, "ca.pem");
    assert_ok(mw_file_write(ca, "PEM", 3, 0600, error));
    assert_ok(mw_kube_config_read(&config, path, error));
    assert_string_equal(config.ca.data, "PEM");
    assert_string_equal(config.token, "t");
    mw_kube_config_clear(&config);
    test_folder_remove(folder);
}

static void what_we_do_not_do_is_refused(void **state)
{
    static const struct {
        const char *text, *said;
        mw_err code;
    } cases[] = {
        {"current-context: b\n", "current-context", MW_ERR_PARSE},
        {"[]\n", "current-context", MW_ERR_PARSE},
        {HEAD ", insecure-skip-tls-verify: true}}]\n", "insecure", MW_ERR_UNSUPPORTED},
        {HEAD "}}]\nusers: [{name: u, user: {exec: {command: x}}}]\n", "exec", MW_ERR_UNSUPPORTED},
        {HEAD ", certificate-authority-data: '###'}}]\n", "base64", MW_ERR_PARSE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mw_kube_config config;
        assert_refused(
            mw_kube_config_parse(&config, cases[i].text, strlen(cases[i].text), "config", error),
            cases[i].code, cases[i].said);
        assert_null(config.server);
    }
}

static void a_pod_finds_its_account(void **state)
{
    static const char *const files[][2] = {{"ca.crt", "CA"}, {"namespace", "plants"}};
    char folder[64], path[96];
    struct mw_kube_config config;
    (void)state;
    test_folder_make(folder);
    unsetenv("KUBERNETES_SERVICE_HOST");
    assert_refused(mw_kube_config_in_cluster(&config, folder, error), MW_ERR_NOT_FOUND,
                   "--kubeconfig");
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        assert_ok(mw_file_write(path, files[i][1], strlen(files[i][1]), 0600, error));
    }
    assert_ok(mw_kube_config_in_cluster(&config, folder, error));
    assert_string_equal(config.server, "https://[fd00::1]:6443");
    assert_string_equal(config.space, "plants");
    assert_non_null(config.token_file);
    mw_kube_config_clear(&config);
    test_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kubeconfig_with_certificates_is_read),
        cmocka_unit_test(files_lie_beside_it),
        cmocka_unit_test(what_we_do_not_do_is_refused),
        cmocka_unit_test(a_pod_finds_its_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
