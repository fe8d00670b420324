/* tests/unit/test_jws.c: ES256 tokens against RFC 7515's own example and against tokens that openssl(1) signed; each change
 * of a token is noticed; keys are what they should be, and their files are new and private. Every token is read from a
 * block of exactly its length, so that a byte read too far is seen. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jws.h"

/* ---- RFC 7515, appendix A.3 ---- */

#define RFC_PUBLIC                                                                                                     \
	"-----BEGIN PUBLIC KEY-----\n"                                                                                 \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"                                           \
	"6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"                                               \
	"-----END PUBLIC KEY-----\n"

#define RFC_PRIVATE                                                                                                    \
	"-----BEGIN EC PRIVATE KEY-----\n"                                                                             \
	"MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49\n"                                           \
	"AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b\n"                                           \
	"focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"                                                                       \
	"-----END EC PRIVATE KEY-----\n"

#define RFC_PRIVATE_PKCS8                                                                                              \
	"-----BEGIN PRIVATE KEY-----\n"                                                                                \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"                                           \
	"H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"                                           \
	"7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"                                                   \
	"-----END PRIVATE KEY-----\n"

static const char rfc_token[] =
	"eyJhbGciOiJFUzI1NiJ9."
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char rfc_payload[] = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";

/* ---- help ---- */

#define PATH_SIZE 100

static char folder[] = "/tmp/test_jws-XXXXXX";

static void make_folder(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *const names[] = {"key", "public", "other", "other-public"};

static void remove_folder(void)
{
	char path[PATH_SIZE];
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		if (unlink(path) != 0)
			ck_assert_int_eq(errno, ENOENT);
	}
	ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left behind */
}

static const char *path_of(const char *name)
{
	static char paths[4][PATH_SIZE];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, PATH_SIZE, "%s/%s", folder, name);
	return path;
}

static void write_text(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "wb");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, length, file), length);
	ck_assert_int_eq(fclose(file), 0);
}

static bool file_is(const char *path, const char *text)
{
	char bytes[2000] = {0};
	FILE *file = fopen(path, "rb");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_lt(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
	fclose(file);
	return strcmp(bytes, text) == 0;
}

static struct jws_key *key_of(const char *pem, int (*load)(const char *, struct jws_key **, struct jws_error *))
{
	struct jws_key *key = NULL;
	struct jws_error error = {{0}};
	write_text(path_of("key"), pem, strlen(pem));
	ck_assert_msg(load(path_of("key"), &key, &error) == 0, "%s", error.text);
	return key;
}

static struct jws_key *make_key(const char *name, const char *public_name)
{
	struct jws_key *key = NULL;
	struct jws_error error = {{0}};
	ck_assert_msg(jws_make_key(path_of(name), path_of(public_name), &key, &error) == 0, "%s", error.text);
	return key;
}

/* Verifies from a block of exactly this length. What is refused says why and gives nothing. */
static int verify(const struct jws_key *key, const char *token, size_t length, char **payload, size_t *payload_length)
{
	struct jws_error error = {{0}};
	char *block = malloc(length > 0 ? length : 1), *got = NULL;
	size_t got_length = 77;
	if (block == NULL)
		ck_abort_msg("no memory");
	memcpy(block, token, length);
	int code = jws_verify(key, block, length, &got, &got_length, &error);
	free(block);
	if (code != 0 && (error.text[0] == '\0' || got != NULL || got_length != 77))
		ck_abort_msg("refused, but something changed, or without a reason");
	if (code == 0 && payload == NULL)
		free(got);
	if (code == 0 && payload != NULL) {
		*payload = got;
		*payload_length = got_length;
	}
	return code;
}

/* ---- tokens ---- */

START_TEST(the_rfcs_example_is_verified)
{
	struct jws_key *keys[] = {key_of(RFC_PUBLIC, jws_load_public),
				  key_of(RFC_PRIVATE, jws_load_private),
				  key_of(RFC_PRIVATE_PKCS8, jws_load_private)};
	for (size_t i = 0; i < 3; i++) {
		char *payload;
		size_t length;
		ck_assert_int_eq(verify(keys[i], rfc_token, strlen(rfc_token), &payload, &length), 0);
		ck_assert_uint_eq(length, strlen(rfc_payload));
		ck_assert_str_eq(payload, rfc_payload);
		free(payload);
		jws_key_free(keys[i]);
	}
	jws_key_free(NULL);
}
END_TEST

START_TEST(what_is_signed_is_verified)
{
	static const char *const payloads[] = {"", "a", "ab", "abc", "{\"id\":\"1\"}", "\xff\xfe\xfb\xef\xbe?>~"};
	struct jws_key *private = key_of(RFC_PRIVATE, jws_load_private);
	struct jws_key *public = key_of(RFC_PUBLIC, jws_load_public);
	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
		char *token = jws_sign(private, payloads[i], strlen(payloads[i])), *payload;
		size_t length;
		ck_assert_ptr_nonnull(token);
		ck_assert_int_eq(strncmp(token, "eyJhbGciOiJFUzI1NiJ9.", 21), 0);
		ck_assert_int_eq(verify(public, token, strlen(token), &payload, &length), 0);
		ck_assert_uint_eq(length, strlen(payloads[i]));
		ck_assert_str_eq(payload, payloads[i]);
		free(payload);
		free(token);
	}
	jws_key_free(public);
	jws_key_free(private);
}
END_TEST

/* r and s begin with a zero byte once in 128 signatures: all of them fill their 32 bytes. */
START_TEST(each_signature_has_its_full_length)
{
	struct jws_key *key = key_of(RFC_PRIVATE, jws_load_private);
	unsigned short_halves = 0;
	for (int i = 0; i < 1500; i++) {
		char *token = jws_sign(key, "{}", 2);
		if (token == NULL || strlen(token) != 20 + 1 + 3 + 1 + 86 ||
		    verify(key, token, strlen(token), NULL, NULL) != 0)
			ck_abort_msg("the signature of %s", token);
		short_halves += token[25] == 'A'; /* r begins with six bits of zero */
		free(token);
	}
	ck_assert_uint_gt(short_halves, 0);
	jws_key_free(key);
}
END_TEST

START_TEST(a_nul_within_the_payload_is_kept)
{
	struct jws_key *key = key_of(RFC_PRIVATE, jws_load_private);
	char *token = jws_sign(key, "a\0b", 3), *payload;
	size_t length;
	ck_assert_int_eq(verify(key, token, strlen(token), &payload, &length), 0);
	ck_assert_uint_eq(length, 3);
	ck_assert_mem_eq(payload, "a\0b", 4);
	free(payload);
	free(token);
	jws_key_free(key);
}
END_TEST

/* openssl(1) signed these with the RFC's key. */
static const char *const good_headers[] = {
	"eyJhbGciOiJFUzI1NiJ9.eyJpZCI6MX0._ZLJPDLg7vI2ytHB3gLPh8HzGOb-SErLza8R8TwaE2KDxpwcQXGwv75VqKRzYDpKznWVXJ-NWclzJQ6VzYx_Kg", /* {"alg":"ES256"} */
	"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6MX0.bVwAyMxZUl-D8ZAhnt9ZGPyWZy_QWk6CLi-Hzf6g4aA-qzzyX9nlN-YYnShiPe4tamsutKSM-oBa8InWf48c8Q", /* {"alg":"ES256","typ":"JWT"} */
	"eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJpZCI6MX0.Qn5jOtk7WMdrxLZp4wzUkOUKlRVE0FKVasjnTcC4N2Vlvzy-T8fvr86Lxu1hxcNkmJ5lqplMPr1XKgVPSqszpg", /* {"typ":"JWT","alg":"ES256"} */
	"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXUyJ9.eyJpZCI6MX0.SyQd3jG_fxlQif64KIqVwWPzTbQcc8vXNUw7VMLtinEDvrDhUPkzBAzykwvAXuswguDoPED_jXeGgYeJEusJPg", /* {"alg":"ES256","typ":"JWS"} */
	"eyJ0eXAiOiJKV1MiLCJhbGciOiJFUzI1NiJ9.eyJpZCI6MX0.wcLzdQLLUKSnJvir4kL35XRnfxw7c07q227HY9N1q4gpAIkV2kig_82CGSV9Mr5wlrZgA-2q1xRsKV_qG62lQw", /* {"typ":"JWS","alg":"ES256"} */
	"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpPU0UifQ.eyJpZCI6MX0.efoahW_veYd2c5J9u4VoZdd_fP3c-yxymFLCiD4lIGFI5ewL-NkA5rqWVYLst0kDR-74fFxONbSc997h3NdnJg", /* {"alg":"ES256","typ":"JOSE"} */
	"eyJ0eXAiOiJKT1NFIiwiYWxnIjoiRVMyNTYifQ.eyJpZCI6MX0.Vsl4_0TCLBMcyDvEED7n72w4c88EwXfxKa3S3pJ7ZoNLXJ1ePbj_OwKcer1N0sA7_WAIMA0A1QAsQ1uG4b0KwQ", /* {"typ":"JOSE","alg":"ES256"} */
};

START_TEST(the_listed_headers_are_accepted)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	char *payload;
	size_t length;
	ck_assert_int_eq(verify(key, good_headers[_i], strlen(good_headers[_i]), &payload, &length), 0);
	ck_assert_str_eq(payload, "{\"id\":1}");
	free(payload);
	jws_key_free(key);
}
END_TEST

/* Each is signed soundly with the RFC's key (HS256 with its public half as the secret). */
static const char *const other_headers[] = {
	"eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiZXhwIl0sImV4cCI6MX0.eyJpZCI6MX0.nMwPxpKG5mj8Dv_9gqndd4d2qq83y22wDWXhFG4piY29Z16tOUiTBtR7OtxwbPfPgPdBS7IxAZBU32cqlWNAtw", /* {"alg":"ES256","crit":["exp"],"exp":1} */
	"eyJhbGciOiJFUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.eyJpZCI6MX0.6QRjiRAGLkZsarIJv2GUGKfGB07_SHhUSP__hDttwaNJ725L0Wk8-_Vl7-_EhOm-Sphvi0AomoJ_oPCxMRrarw", /* {"alg":"ES256","b64":false,"crit":["b64"]} */
	"eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.eyJpZCI6MX0.CjMSUXUg6i1xSoPwsaE0F5eDc2Q8Gw_zV1CRfzAE2IUyC9NDNFb57SXlnq7dIHJnYd632auPkrVhrzOtR_YkvQ", /* {"alg":"ES256","kid":"1"} */
	"eyJhbGciOiJFUzI1NiIsImFsZyI6Im5vbmUifQ.eyJpZCI6MX0.jGmNy3SPYFNoZBWBmGoPN779qI7cy9nd49TCNJCb3QKFQ829F86fWUWNdK3V7LVW_q6qkJOxtfyBK8rbz5oVZw", /* {"alg":"ES256","alg":"none"} */
	"eyJhbGciOiJub25lIiwiYWxnIjoiRVMyNTYifQ.eyJpZCI6MX0.6Sh7zuJV_iL5K2K-VB64n7lsp1QjEiUkHedQSncef7BeM8DzaVVTc7VGg3s9QNE0NJUeKrWkpLx_MqPgIm_qyw", /* {"alg":"none","alg":"ES256"} */
	"eyJhbGciOiJub25lIn0.eyJpZCI6MX0.5yQ2wHrUcPTp03K5VVZC7upMuZ1cuVztdtqOA25yMUl4v7CmVUbETJtjQvYLxouHzRx1d9tgpRVobrnLPOXhFg", /* {"alg":"none"} */
	"eyJhbGciOiJlczI1NiJ9.eyJpZCI6MX0.8BCdPbKaRYmZJ421IO8Yl0CxurnvuZ3sVDQ2gO45RWSHQjHoA8ufSH0R1Ceoeqj0c7Hv5-64wkBzW2gDk8Dtpw", /* {"alg":"es256"} */
	"eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.aH4hMlvy98kIXxWfb4HHec-BoX5WhEvGC4hkLHuxIzQ5baTLiEfkZgaiWos6pR_rQR-uYEbfNNpuwTxkRFoaEg", /* {"alg":"HS256"} */
	"eyJhbGciOiJFUzM4NCJ9.eyJpZCI6MX0.9TERCgAqOl4HPOW2s9qLELp9GnMFzHxCgDcGtdSxd1OsLzHh4srF6_Lrej7hJ2ST0An9_GXSNqm4UIqVLCGcow", /* {"alg":"ES384"} */
	"eyJ0eXAiOiJKV1QifQ.eyJpZCI6MX0.hAnX_mfmhucA0hwcq1m7zGJ7l-jzJ2lUkCvkmTyrE2i9mU_dJc7yxtEw1ao2QU7SYDjh2l0t-t8S0Ix1YqkG4g", /* {"typ":"JWT"} */
	"e30.eyJpZCI6MX0.BViEZvqvxzmwDzXyA9fdT1zPDNKLpOfEOp80HBJXpDe3_xRoEtKyb89ZSL51Yx7D5hBHs_LJqnGTBu_up4FkKA", /* {} */
	"W10.eyJpZCI6MX0.y43V-HBiGHvgxFr3DUtAe7CvDlwulc6PYT-HxTXxaINcVGC_T6ILrdkzQvY5Kwqct1ycyaR-oF_ECGUfiKdBuA", /* [] */
	".eyJpZCI6MX0.sEk8nRA2lCIpMtBLoeBAFKbFhxl77hwgoSMt5P2p9FjDz2etBXRWUrCI29zqmoxL4bvqymJEu_QMzqtXP5ZhKg", /*  */
	"eyJhbGciOiJFUzI1NiJ9IA.eyJpZCI6MX0.hoD-TuSlwtG7lJgq311u6kuAMn_cyHkZD_Q7Un5EMZXjfHZZ_c-jFnJqktRKV7pGV7qDoUQBUnWpubPYxaYCxg", /* {"alg":"ES256"}  */
	"eyJhbGciOiJFUzI1NiJ9AA.eyJpZCI6MX0.e-lNWHgZ7g7TblvhKgKsZt-sGf3r3OgyELLQphN8HyIbgkkc81vYOKB-vduhbXgyA6B6CE2d8W_iRZtl6yyUFQ", /* {"alg":"ES256"}\0 */
	"eyJcdTAwNjFsZyI6IkVTMjU2In0.eyJpZCI6MX0.j1dLnAxSRBeGq67MNWwAY833erTdCffZnypFaOFhxBiPYfhGL0iEHYgdg4H1CNCyOWPGoIc1Gf_S-C8byiEILw", /* {"\u0061lg":"ES256"} */
	"eyJhbGciOiJFUzI1NiIsImp3ayI6eyJrdHkiOiJFQyJ9fQ.eyJpZCI6MX0.6YuUl5CYPqNt_ojjPJBny4OIMkgsPnlu2sgU3eEPug6VlhTVs8P75NqmzWrCgYk9s9zbiTvbjgpr5rauoWQ3Lw", /* {"alg":"ES256","jwk":{"kty":"EC"}} */
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6MX0.n9AFBCX_TR6ZKnXhKKlUbz5Uic1gkOFdUHKRiIBe4jM", /* HS256 */
	"eyJhbGciOiJub25lIn0.eyJpZCI6MX0.", /* {"alg":"none"}, as RFC 7519 has it */
};

START_TEST(other_headers_are_refused)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	ck_assert_int_eq(verify(key, other_headers[_i], strlen(other_headers[_i]), NULL, NULL), -EBADMSG);
	jws_key_free(key);
}
END_TEST

/* Signed soundly, too, but their payload's base64url is not the one that the payload has. */
static const char *const other_forms[] = {
	"eyJhbGciOiJFUzI1NiJ9.eyJpZCI6MX1.r2VPEosul90AzOAaq_fmdS3SMevfZdcWJOagkFJoNUOShaUeJ6apfzFTL9APFN8o4Oug4EhBi1lLqbFJdRQXAw", /* spare bits */
	"eyJhbGciOiJFUzI1NiJ9.eyJpZCI6MX0=.wCJ7irtv0QZJ0wGNbAHns1X5duESaQrPZf6bVjjIT4-OW1nD3LAzGGNBilS_jczOmzcKgpdYCMTy_LryCQeZjw", /* padded payload */
	"eyJhbGciOiJFUzI1NiJ9.eyJpZCI6M.B8fk-nDLjxs61AUrSQ0ZCTyqt-6rsUYUXbN8d7xw5n1hJd4i8n_dRlOUelP_OhlNcGio968zrb0yt3pp8u4q3A", /* 4n+1 */
	"eyJhbGciOiJFUzI1NiJ9.eyJp\nZCI6MX0.bg7noCc23gQv1r_bPAnIZwLRW-pXtcE89rkZ95Tip5U8WHnpMYXtNV1j46kqzybezV0bbiEOaA0KVO7XFDGhdg", /* newline */
	"eyJhbGciOiJFUzI1NiJ9.Pz8+.-WcaXd_h8dhnNoKPKo-Et2966-8bKl-baJEoPbx136efBwA6xflAjtau-Q7T8XkWzHzuZPinR9HExRdapToH7A", /* + */
	"eyJhbGciOiJFUzI1NiJ9.Pz8/.wjzp0X1ca8WaExHL1BEsgzgE6mmx9u0tbavuIPYdHxlUrZKGlAVD9r0j6tjYWgtGNiMUTi5MWnt3GG9gpbhByA", /* / */
};

START_TEST(other_forms_of_base64_are_refused)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	ck_assert_int_eq(verify(key, other_forms[_i], strlen(other_forms[_i]), NULL, NULL), -EBADMSG);
	jws_key_free(key);
}
END_TEST

START_TEST(an_empty_payload_is_a_payload)
{
	static const char token[] =
		"eyJhbGciOiJFUzI1NiJ9..3-XpPKPKB5rlrSvB7lajbKywykikoabZUN8h1LMkitIclCgfIXtjV4_aYvz1k4Pvc_6pBveYEgyevi_2yi4XEA";
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	char *payload;
	size_t length;
	ck_assert_int_eq(verify(key, token, strlen(token), &payload, &length), 0);
	ck_assert_uint_eq(length, 0);
	ck_assert_str_eq(payload, "");
	free(payload);
	jws_key_free(key);
}
END_TEST

START_TEST(a_change_of_any_bit_is_refused)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	char token[sizeof rfc_token];
	unsigned rejected = 0;
	memcpy(token, rfc_token, sizeof token);
	for (size_t i = 0; i < strlen(rfc_token); i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			token[i] = (char)(rfc_token[i] ^ 1 << bit);
			int code = verify(key, token, strlen(rfc_token), NULL, NULL);
			if (code != -EBADMSG && code != -EKEYREJECTED)
				ck_abort_msg("bit %u of byte %zu: %d", bit, i, code);
			rejected += code == -EKEYREJECTED;
		}
		token[i] = rfc_token[i];
	}
	ck_assert_uint_gt(rejected, 500); /* well formed, and noticed by the signature alone */
	ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), 0);
	jws_key_free(key);
}
END_TEST

/* The last character of a signature has four bits that say nothing: they must be zero. */
START_TEST(spare_bits_of_the_signature_must_be_zero)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	char token[sizeof rfc_token];
	memcpy(token, rfc_token, sizeof token);
	ck_assert_int_eq(token[strlen(token) - 1], 'Q');
	for (char other = 'R'; other <= 'Z'; other++) {
		token[strlen(token) - 1] = other;
		ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), -EBADMSG);
	}
	jws_key_free(key);
}
END_TEST

START_TEST(a_cut_or_lengthened_token_is_refused)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	static const char *const behind[] = {"=", "==", "A", "AA", "AAA", "AAAA", ".", ".A", "\n", " ", "\r\n"};
	char token[sizeof rfc_token + 8];
	for (size_t length = 0; length < strlen(rfc_token); length++) {
		int code = verify(key, rfc_token, length, NULL, NULL);
		if (code != -EBADMSG)
			ck_abort_msg("cut to %zu: %d", length, code);
	}
	ck_assert_int_eq(verify(key, rfc_token + 1, strlen(rfc_token) - 1, NULL, NULL), -EBADMSG);
	ck_assert_int_eq(verify(key, rfc_token, sizeof rfc_token, NULL, NULL), -EBADMSG); /* with its NUL */
	for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
		stpcpy(stpcpy(token, rfc_token), behind[i]);
		ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), -EBADMSG);
		stpcpy(stpcpy(token, behind[i]), rfc_token);
		ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), -EBADMSG);
	}
	jws_key_free(key);
}
END_TEST

START_TEST(what_is_no_token_is_refused)
{
	static const char *const texts[] = {
		"", ".", "..", "...", "a", "a.b", "a.b.c", "{}", "eyJhbGciOiJFUzI1NiJ9..", "eyJhbGciOiJFUzI1NiJ9"};
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		ck_assert_int_eq(verify(key, texts[i], strlen(texts[i]), NULL, NULL), -EBADMSG);
	jws_key_free(key);
}
END_TEST

/* Halves of zero, and beyond the curve's order, are no signature of anybody. */
START_TEST(impossible_signatures_are_refused)
{
	static const char digits[] = "A_"; /* all zeros, all ones but for the spare bits */
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	char token[sizeof rfc_token];
	for (size_t i = 0; i < 2; i++) {
		memcpy(token, rfc_token, sizeof token);
		memset(token + strlen(token) - 86, digits[i], 86);
		token[strlen(token) - 1] = i == 0 ? 'A' : 'w';
		ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), -EKEYREJECTED);
	}
	jws_key_free(key);
}
END_TEST

START_TEST(another_key_is_refused)
{
	struct jws_key *key = key_of(RFC_PUBLIC, jws_load_public);
	struct jws_key *other = make_key("other", "other-public");
	char *token = jws_sign(other, rfc_payload, strlen(rfc_payload));
	ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), -EKEYREJECTED);
	ck_assert_int_eq(verify(other, rfc_token, strlen(rfc_token), NULL, NULL), -EKEYREJECTED);
	ck_assert_int_eq(verify(other, token, strlen(token), NULL, NULL), 0);
	free(token);
	jws_key_free(other);
	jws_key_free(key);
}
END_TEST

#define LONGEST_PAYLOAD 12207 /* whose token has JWS_TEXT_MAX bytes */

START_TEST(the_longest_token_is_accepted_and_a_longer_one_is_not)
{
	struct jws_key *key = key_of(RFC_PRIVATE, jws_load_private);
	char payload[LONGEST_PAYLOAD];
	memset(payload, 'x', sizeof payload);
	char *token = jws_sign(key, payload, sizeof payload);
	ck_assert_uint_eq(strlen(token), JWS_TEXT_MAX);
	ck_assert_int_eq(verify(key, token, strlen(token), NULL, NULL), 0);
	char *longer = malloc(JWS_TEXT_MAX + 2);
	ck_assert_ptr_nonnull(longer);
	stpcpy(stpcpy(longer, token), "A");
	struct jws_error error = {{0}};
	char *nothing = NULL;
	size_t length;
	ck_assert_int_eq(jws_verify(key, longer, JWS_TEXT_MAX + 1, &nothing, &length, &error), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(error.text, "16384"));
	free(longer);
	free(token);
	jws_key_free(key);
}
END_TEST

/* ---- keys ---- */

START_TEST(a_made_key_works_after_loading)
{
	struct jws_key *made = make_key("key", "public"), *private = NULL, *public = NULL;
	struct jws_error error;
	ck_assert_int_eq(jws_load_private(path_of("key"), &private, &error), 0);
	ck_assert_int_eq(jws_load_public(path_of("public"), &public, &error), 0);
	char *token = jws_sign(made, "{}", 2);
	ck_assert_int_eq(verify(public, token, strlen(token), NULL, NULL), 0);
	ck_assert_int_eq(verify(private, token, strlen(token), NULL, NULL), 0);
	free(token);
	token = jws_sign(private, "{}", 2);
	ck_assert_int_eq(verify(public, token, strlen(token), NULL, NULL), 0);
	free(token);
	jws_key_free(public);
	jws_key_free(private);
	jws_key_free(made);
}
END_TEST

START_TEST(a_made_key_is_private_whatever_the_umask)
{
	static const mode_t masks[] = {0, 022, 077, 0777};
	struct stat status;
	mode_t before = umask(masks[_i]);
	struct jws_key *key = make_key("key", "public");
	umask(before);
	ck_assert_int_eq(stat(path_of("key"), &status), 0);
	ck_assert_uint_eq(status.st_mode, S_IFREG | 0600);
	ck_assert_int_eq(stat(path_of("public"), &status), 0);
	ck_assert_uint_eq(status.st_mode, S_IFREG | 0644);
	jws_key_free(key);
}
END_TEST

START_TEST(no_existing_file_is_written_over)
{
	struct jws_key *key = NULL;
	struct jws_error error = {{0}};
	write_text(path_of("key"), "precious", 8);
	ck_assert_int_eq(jws_make_key(path_of("key"), path_of("public"), &key, &error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error.text, "/key"));
	ck_assert(file_is(path_of("key"), "precious"));
	ck_assert_int_ne(access(path_of("public"), F_OK), 0);
	/* and when only the public half is in the way, the private one does not stay behind */
	write_text(path_of("other-public"), "precious", 8);
	ck_assert_int_eq(jws_make_key(path_of("other"), path_of("other-public"), &key, &error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error.text, "/other-public"));
	ck_assert(file_is(path_of("other-public"), "precious"));
	ck_assert_int_ne(access(path_of("other"), F_OK), 0);
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(a_link_is_not_followed)
{
	struct jws_key *key = NULL;
	struct jws_error error;
	ck_assert_int_eq(symlink(path_of("other"), path_of("key")), 0);
	ck_assert_int_eq(jws_make_key(path_of("key"), path_of("public"), &key, &error), -EEXIST);
	ck_assert_int_ne(access(path_of("other"), F_OK), 0);
}
END_TEST

START_TEST(a_missing_folder_or_file_is_an_error)
{
	struct jws_key *key = NULL;
	struct jws_error error = {{0}};
	ck_assert_int_eq(jws_make_key(path_of("none/key"), path_of("public"), &key, &error), -ENOENT);
	ck_assert_int_eq(jws_make_key(path_of("key"), path_of("none/public"), &key, &error), -ENOENT);
	ck_assert_int_ne(access(path_of("key"), F_OK), 0);
	ck_assert_int_eq(jws_load_private(path_of("key"), &key, &error), -ENOENT);
	ck_assert_int_eq(jws_load_public(path_of("key"), &key, &error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error.text, "/key"));
	ck_assert_int_eq(jws_load_public(folder, &key, &error), -EISDIR);
	ck_assert_ptr_null(key);
}
END_TEST

START_TEST(a_file_that_is_no_key_is_refused)
{
	struct jws_key *key = NULL;
	struct jws_error error = {{0}};
	char *big = malloc(100000);
	ck_assert_ptr_nonnull(big);
	memset(big, '\n', 100000);
	memcpy(big, RFC_PUBLIC, strlen(RFC_PUBLIC));
	write_text(path_of("key"), big, 100000);
	ck_assert_int_eq(jws_load_public(path_of("key"), &key, &error), -EINVAL);
	write_text(path_of("key"), big, 10000); /* with empty lines behind it */
	ck_assert_int_eq(jws_load_public(path_of("key"), &key, &error), 0);
	jws_key_free(key);
	key = NULL;
	free(big);
	for (size_t length = 0; length < strlen(RFC_PUBLIC) - 2; length += 3) {
		write_text(path_of("key"), RFC_PUBLIC, length);
		ck_assert_int_eq(jws_load_public(path_of("key"), &key, &error), -EINVAL);
	}
	ck_assert_int_eq(mkfifo(path_of("other"), 0600), 0); /* must not be waited for */
	ck_assert_int_eq(jws_load_public(path_of("other"), &key, &error), -EINVAL);
	write_text(path_of("key"), RFC_PUBLIC, strlen(RFC_PUBLIC));
	ck_assert_int_eq(jws_load_private(path_of("key"), &key, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "private P-256"));
	write_text(path_of("key"), RFC_PRIVATE, strlen(RFC_PRIVATE));
	ck_assert_int_eq(jws_load_public(path_of("key"), &key, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "public P-256"));
	ck_assert_ptr_null(key);
}
END_TEST

static const struct {
	const char *what, *pem;
	bool private;
} other_keys[] = {
	{"of another curve",
	 "-----BEGIN EC PRIVATE KEY-----\n"
	 "MIGkAgEBBDCdnSMd15Za/uUspdj1gDtdAfalPXK3cysJZryxJHB1xC0tNa9iNU4J\n"
	 "3rZk/66bY6agBwYFK4EEACKhZANiAAQ1G7R/i7zl95QWWKyRN2ExZzHG86XOpeFR\n"
	 "wpoMjuVZdV6TqrKD+zCrXiUkh2niRxXgABBzD1l2sH91EvtyQf11FIdJPRXRQtDH\n"
	 "DnwmPHebvOyUuixG8iAFamrhnPHMcpU=\n"
	 "-----END EC PRIVATE KEY-----\n",
	 true},
	{"of another kind",
	 "-----BEGIN PRIVATE KEY-----\n"
	 "MC4CAQAwBQYDK2VwBCIEIMusiPEBxXtUHr12tEgYyhO2hPJPv0w4+ialqh0la+tF\n"
	 "-----END PRIVATE KEY-----\n",
	 true},
	{"with a passphrase",
	 "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
	 "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiaMxX2SrEVQAICCAAw\n"
	 "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEGzCxZknyqR3EOFDZy5QolsEgZBc\n"
	 "HcVe9hTK0ZaMiW58+u/qZzJB28bDW5llCrxEkqHUvc6RMSzmR35XiZW+0QpIOWjs\n"
	 "ERoj5yDIZBapxxZKzeLj8hQqd91ICNHMwCG+H9x/TtSkUF8WMr0/B8vTDoK5JhcN\n"
	 "bfMYUubezINnOA7gh1Mvj06MWBrT05ASPrUVrwQ+joNBHYnexnlzLmkC1dRH+8k=\n"
	 "-----END ENCRYPTED PRIVATE KEY-----\n",
	 true},
	{"whose halves do not belong together",
	 "-----BEGIN EC PRIVATE KEY-----\n"
	 "MHcCAQEEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAHoAoGCCqGSM49\n"
	 "AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b\n"
	 "focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
	 "-----END EC PRIVATE KEY-----\n",
	 true},
	{"of another curve",
	 "-----BEGIN PUBLIC KEY-----\n"
	 "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAENRu0f4u85feUFliskTdhMWcxxvOlzqXh\n"
	 "UcKaDI7lWXVek6qyg/swq14lJIdp4kcV4AAQcw9ZdrB/dRL7ckH9dRSHST0V0ULQ\n"
	 "xw58Jjx3m7zslLosRvIgBWpq4ZzxzHKV\n"
	 "-----END PUBLIC KEY-----\n",
	 false},
	{"of a curve that is like it",
	 "-----BEGIN PUBLIC KEY-----\n"
	 "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEYMRXdtBy+5GMf4QwRchcgOWAbXUfkCsX\n"
	 "/NSDiqCJHMsb7MtH11nzCQGY6n0zXQ+kNc7doC/F4lAp2HlVfe6hbQ==\n"
	 "-----END PUBLIC KEY-----\n",
	 false},
	{"of another kind",
	 "-----BEGIN PUBLIC KEY-----\n"
	 "MCowBQYDK2VwAyEAJsBVfkLXAc3vculQHGRLsoi5Z6Hb/NoSX5Aqw4oGKuY=\n"
	 "-----END PUBLIC KEY-----\n",
	 false},
	{"not on the curve",
	 "-----BEGIN PUBLIC KEY-----\n"
	 "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
	 "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrA==\n"
	 "-----END PUBLIC KEY-----\n",
	 false},
	{"with a curve of its own, of which it knows the private half",
	 "-----BEGIN PUBLIC KEY-----\n"
	 "MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA\n"
	 "AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////\n"
	 "///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd\n"
	 "NgiG5wSTamZ44ROdJreBn36QBEEE7A+uMY0FtvOYJBknFA2sQVXer01s4KX9hV+t\n"
	 "eJoftW6mZ30sgzekAIBm1u8taX4mpOKuDD2MyHWpPpgW4KZT2AIhAP////8AAAAA\n"
	 "//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABOwPrjGNBbbzmCQZJxQNrEFV\n"
	 "3q9NbOCl/YVfrXiaH7Vupmd9LIM3pACAZtbvLWl+JqTirgw9jMh1qT6YFuCmU9g=\n"
	 "-----END PUBLIC KEY-----\n",
	 false},
};

START_TEST(another_kind_of_key_is_refused)
{
	struct jws_key *key = NULL;
	struct jws_error error = {{0}};
	write_text(path_of("key"), other_keys[_i].pem, strlen(other_keys[_i].pem));
	int code = (other_keys[_i].private ? jws_load_private : jws_load_public)(path_of("key"), &key, &error);
	ck_assert_msg(code == -EINVAL, "a key %s: %d", other_keys[_i].what, code);
	ck_assert_ptr_nonnull(strstr(error.text, "P-256"));
	ck_assert_ptr_null(key);
}
END_TEST

/* ---- the suite ---- */

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static TCase *case_new(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 30);
	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_tokens(Suite *suite)
{
	TCase *tokens = case_new(suite, "tokens");
	tcase_add_test(tokens, the_rfcs_example_is_verified);
	tcase_add_test(tokens, what_is_signed_is_verified);
	tcase_add_test(tokens, each_signature_has_its_full_length);
	tcase_add_test(tokens, a_nul_within_the_payload_is_kept);
	tcase_add_loop_test(tokens, the_listed_headers_are_accepted, 0, COUNT(good_headers));
	tcase_add_loop_test(tokens, other_headers_are_refused, 0, COUNT(other_headers));
	tcase_add_loop_test(tokens, other_forms_of_base64_are_refused, 0, COUNT(other_forms));
	tcase_add_test(tokens, an_empty_payload_is_a_payload);
	tcase_add_test(tokens, a_change_of_any_bit_is_refused);
	tcase_add_test(tokens, spare_bits_of_the_signature_must_be_zero);
	tcase_add_test(tokens, a_cut_or_lengthened_token_is_refused);
	tcase_add_test(tokens, what_is_no_token_is_refused);
	tcase_add_test(tokens, impossible_signatures_are_refused);
	tcase_add_test(tokens, another_key_is_refused);
	tcase_add_test(tokens, the_longest_token_is_accepted_and_a_longer_one_is_not);
}

static void add_keys(Suite *suite)
{
	TCase *keys = case_new(suite, "keys");
	tcase_add_test(keys, a_made_key_works_after_loading);
	tcase_add_loop_test(keys, a_made_key_is_private_whatever_the_umask, 0, 4);
	tcase_add_test(keys, no_existing_file_is_written_over);
	tcase_add_test(keys, a_link_is_not_followed);
	tcase_add_test(keys, a_missing_folder_or_file_is_an_error);
	tcase_add_test(keys, a_file_that_is_no_key_is_refused);
	tcase_add_loop_test(keys, another_kind_of_key_is_refused, 0, COUNT(other_keys));
}

int main(void)
{
	Suite *suite = suite_create("jws");
	add_tokens(suite);
	add_keys(suite);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
