package collectors

import (
	"strings"
	"testing"

	"evidenced/evidence"
)

// What says a password, and what is to be left of it.
var passwords = map[string]string{
	"password: hunter2 was rejected":                    "password: [removed] was rejected",
	"Password : Tr0ub4dor&3.":                           "Password : [removed].",
	"the login (password 'p@ssword!x') failed":          "the login (password '[removed]') failed",
	`{"user":"app","password":"hunter2"}`:               `{"user":"app","password":"[removed]"}`,
	`as \"password\": \"hunter2\", and`:                 `as \"password\": \"[removed]\", and`,
	"password: 'S3cr3t' and passphrase:abc123def":       "password: '[removed]' and passphrase:[removed]",
	"dump --password Wint3r-2026 > /backup":             "dump --password [removed] > /backup",
	"--db-password swordfish1 given":                    "--db-password [removed] given",
	"env DB_PASSWORD=swordfish PGPASSWORD='sword fish'": "env DB_PASSWORD=[removed] PGPASSWORD='[removed]'",
	"export MYSQL_PWD=Sw0rdfish99":                      "export MYSQL_PWD=[removed]",
	"MYSQL_PWD=swordfish mysql":                         "MYSQL_PWD=[removed] mysql",
	"pwd: Sw0rdfish99":                                  "pwd: [removed]",
	"Uid=app;Pwd=/sw0rd;Initial Catalog=x y":            "Uid=app;Pwd=[removed];Initial Catalog=x y",
	"PGPASSWORD=Xy7Kq,9zT2mmQ psql":                     "PGPASSWORD=[removed] psql",
	"PGPASSWORD=Xy7Kq;9zT2mmQ":                          "PGPASSWORD=[removed]",
	"PGPASSWORD=swordfish, and":                         "PGPASSWORD=[removed], and",
	"PGPASSWORD=ab,c9TzQ2== psql":                       "PGPASSWORD=[removed] psql",
	"password: Xy7Kq,9zT2mmQ; then":                     "password: [removed]; then",
	"password: 'Sw0rdf;ish9' given":                     "password: '[removed]' given",
	`password: "Sw0rdf'i,sh9 x" given`:                  `password: "[removed]" given`,
	`password: "Sw0\"rdfish9" given`:                    `password: "[removed]" given`,
	`as \"password\": \"hunt,er2!x\", and`:              `as \"password\": \"[removed]\", and`,
	"{password:hunter2,user:app}":                       "{password:[removed],user:app}",
	"password=swordfish;database=y":                     "password=[removed];database=y",
	"password=swordfish,host=db;x":                      "password=[removed],host=db;x",
	"password=$ecret&user=app":                          "password=[removed]&user=app",
	"password=sword,fish":                               "password=[removed]",
	"https://a.example.test/?db_password=swordfish&x=y": "https://a.example.test/?db_password=[removed]&x=y",
	"--db-password=swordfish --x":                       "--db-password=[removed] --x",
	"reset_password=Sw0rdfish99":                        "reset_password=[removed]",
	`PGPASSWORD="swordfish" psql`:                       `PGPASSWORD="[removed]" psql`,
	"dial app:swordfish@tcp(db:3306)/app: refused":      "dial app:[removed]@tcp(db:3306)/app: refused",
	"login with app:Sw0rdfish@db.example.test:5432":     "login with app:[removed]@db.example.test:5432",
	"app:Sw0rd@fish@db:5432 failed":                     "app:[removed]@db:5432 failed",
	"app:a:Sw0rdfish@10.0.0.1:5432 failed":              "app:a:[removed]@10.0.0.1:5432 failed",
}

// What looks like it and says none.
var noPasswords = []string{
	"password: must have 12 characters", "password: at least 1 digit", "password: 12-64 characters", "password: 90days", "password: 12 characters",
	"token: expired", "token: 5b1e7a00-0000-4000-8000-000000000050 expired", "password: expired", "password: invalid, token: missing",
	"wrong password: ORA-01017: invalid username/password; logon denied", "bad password: AADSTS50126: Error validating credentials",
	"password: x509: certificate signed by unknown authority", "password: Error1045: access denied", "pq: password authentication failed for user app2db",
	"password: open /run/secrets/db2: no such file or directory", "password: /run/secrets/db2", "password: secret/db1 not found", "password: orders-db-2",
	`password: secrets "orders-db-2" not found`, "password: $DB_PASSWORD1", "password: ${PASSWORD1}", "password: {{ .Values.password1 }}", "password: <your-password-1>",
	"password: ****** (hidden)", "password: [removed]", "password=[removed]", "password: sha256 of the input", "password: argon2id", "password: base64 encoded", "password: bcrypt2b",
	"password: 2026-03-01T10:00:00Z is when it ends", "password: 720h0m0s", "password: 12345678", "password: alice42@example.test", "password: os.Getenv(X1)",
	"reset the password: OPS-2211", "password: PR42", "password v2.1.0 of the form", "the password hunter2 was not said so",
	"reset-password: true", "DB_PASSWORD=$DB_PASSWORD1", "require_password=true", "no_password=0", "password: v2beta1", "Password:\na1b2c3 Merge", "passwords: a1b2c3d4",
	"user:alice42@example.test", "serviceAccount:ci42@project.iam.example.test", "mailto:alice42@example.test", "web:1.4@sha256:12345", "example.test/web:1.4@sha256:4b1d4b1d",
	"npm:left-pad1@1.3.0", "ssh git@git.example.test:22", "from:alice@mail.example.test:25", "actions/checkout:v4@abc123",
	"reset_password=required", "min_password=12", "force_change_password=weekly", "MIN_PASSWORD=12", "MAX_PASSWORD=90d", "RESET_PASSWORD=required", "password=required",
	"--require-password=always", "?min_password=12&x=y", "change_password=atNextLogin", "must_change_passwd=soon, then", "password: min=8,max=64", "password:min8,max64",
	"PWD=/home/x1y2z3", "OLDPWD=/srv", `PWD="/home/x y"`, "PWD=$HOME/x", "pwd: /home/a1b2c3", `PWD=C:\Users\a1b2c3`, "INIT_PWD=/srv/app2", "ran pwd in a1b2c3d4", "$(pwd)/a1b2c3",
	`"password='" + pw + "'"`, `password=""`, "'password=' + pw + '&user=x'", `["password=", pw, "x"]`, "password='", "password=", `password='%s'`, "password 'must have 12 characters'",
	"password has to be at least 8 characters, with 1 digit", "user.password: String!", "password: passphrase, passcode: totp", "invalid value for password: required",
}

func TestPasswordsInSentences(t *testing.T) {
	for _, long := range []string{"password=", "xpassword=", "password:'", "xpassword "} { // takes no time
		WithoutCredentials(strings.Repeat(long, 1<<17))
	}
	for in, want := range passwords {
		if got := WithoutCredentials(in); got != want {
			t.Errorf("%s\n\tbecame %s\n\twant   %s", in, got, want)
		}
		if again := WithoutCredentials(want); again != want {
			t.Errorf("%s\n\ta second time gives %s", want, again)
		}
		d := evidence.Draft{Content: []byte("{}"), Raw: encode([]string{in})}
		if withoutCredentials(&d); (string(d.Raw) != string(encode([]string{in}))) != (in != want) {
			t.Errorf("%s\n\tin bytes became %s", in, d.Raw)
		}
	}
	for _, in := range noPasswords {
		if got := WithoutCredentials(in); got != in {
			t.Errorf("%s\n\tbecame %s, and says none", in, got)
		}
		// Bytes that are no JSON go whole, and a signature over them too.
		commit := "tree 4b1d\n\n" + in + "\n"
		d := evidence.Draft{Content: []byte("{}"), Raw: []byte(commit)}
		if withoutCredentials(&d); string(d.Raw) != commit {
			t.Errorf("%s\n\ttook the commit that says it", in)
		}
	}
}
