//! Shapes of secrets on command lines, and of what is none.

use super::*;

const S: &str = "hunter2";

fn shown(parts: &[&str]) -> String {
    command(parts.iter().map(|part| part.replace("$", S))).join(" ")
}

#[test]
fn no_secret_is_told_whatever_its_shape() {
    for parts in [
        &["srv", "--api-key", "$"][..],
        &["srv", "--key", "$"],
        &["srv", "--apiKey=$"],
        &["srv", "-token", "$"],
        &["srv", "--token=$", "-v"],
        &["srv", "--pwd", "$"],
        &["srv", "--db.password=$"],
        &["srv", "--passphrase", "$"],
        &["srv", "--GITHUB_PAT", "$"],
        &["srv", "--personal-access-token=$"],
        &["srv", "--auth", "$"],
        &["srv", "--client_secret:$"],
        &["srv", "/Password:$"],
        &["srv", "--webhook-url=https://hooks.example.com/services/$"],
        &["srv", "--sig", "$"],
        &["env", "GITHUB_TOKEN=$", "srv"],
        &["env", "-S", "X_KEY=$ srv"],
        &["docker", "run", "-e", "GITHUB_PAT=$", "img"],
        &["docker", "run", "-e", "PLAIN=$", "img"],
        &["docker", "run", "--env", "PLAIN=$", "img"],
        &["docker", "run", "--env=API_TOKEN=$", "img"],
        &["docker", "run", "-eAPI_TOKEN=$", "img"],
        &["docker", "run", "-e=PLAIN=$", "img"],
        &["bash", "-c", "cd /srv && A=1 API_KEY=$ node s.js"],
        &["bash", "-c", "API_KEY='$' node s.js"],
        &["bash", "-c", "export TOKEN=\"$\"; srv"],
        &["bash", "-c", "srv --token $ --port 80"],
        &["bash", "-c", "curl -H 'Authorization: Bearer $' https://h"],
        &["cmd", "/c", "set TOKEN=$&& srv"],
        &["npx", "mcp-remote", "https://h/mcp?profile=p&api_key=$"],
        &["npx", "mcp-remote", "https://h/mcp?x=$"],
        &["npx", "mcp-remote", "https://h/mcp?a=1&b=$#f"],
        &["npx", "mcp-remote", "https://h/mcp#access_token=$"],
        &["npx", "x", "{\"region\":\"eu\",\"apiKey\":\"$\"}"],
        &["npx", "x", "{\"password\" : \"$\"}"],
        &["npx", "x", "{\\\"secret\\\":\\\"$\\\"}"],
        &["npx", "x", "{auth: {token: '$'}}"],
        &["npx", "x", "--config={\"key\":\"$\",\"n\":1}"],
        &["npx", "x", "--header", "Cookie: session=$"],
        &["npx", "x", "--header", "Authorization:Bearer $"],
        &["npx", "x", "--header", "Authorization:${A}", "Bearer $"],
        &["npx", "x", "--header=X-Api-Key: $"],
        &["npx", "x", "-H", "X-Auth-Token: $"],
        &["npx", "x", "Server=db;User Id=sa;Password=$;"],
        &["npx", "x", "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=$"],
        &["npx", "x", "host=db user=a password=$"],
        &["srv", "postgres://me:$@db:5432/main"],
        &["srv", "--url=https://$@h/x"],
        &["srv", "mongodb+srv://u:$@h/?w=1"],
        &["bash", "-c", "psql postgres://me:$@db/x"],
        &["curl", "-u", "me:$", "https://h"],
        &["srv", "--user", "me:$"],
        &["srv", "ghp_$abcdef"],
        &["srv", "github_pat_$abcdef"],
        &["srv", "sk-ant-$abcdef"],
        &["srv", "--x=xoxb-$-abcdef"],
        &["srv", "glpat-$abcdef"],
        &["srv", "AKIA$ABCDEF"],
        &["srv", "eyJhbGciOi.$.abcdef"],
        &["srv", "https://h/x/sk-$abcdef/y"],
        &["srv", "{\"password\":\"a b $\"}"],
        &["srv", "{'a': 1, 'token': 'x/$==', 'b': 2}"],
        &["bash", "-c", "curl -H 'Cookie: a=b; c=$' https://h"],
        &["bash", "-c", "srv --secret '$ and more'"],
        &["bash", "-c", "AWS_SECRET_ACCESS_KEY=ab/c+$ srv"],
        &["npx", "x", "AccountKey=abc/$==;EndpointSuffix=x"],
        &["srv", "0123456789abcdef0123456789abcdef"],
        &["srv", "aB3$aB3dE5fG7hJ9kL1mN3"],
        &["srv", "hitl_a_$abcdef"],
    ] {
        let told = shown(parts);
        assert!(!told.contains(S), "{parts:?}: {told}");
        assert!(told.contains(HIDDEN) && told.starts_with(parts[0]), "{told}");
    }
}

#[test]
fn everything_else_is_shown_as_it_is() {
    for line in [
        "npx -y @modelcontextprotocol/server-filesystem /srv/data",
        "uvx --from git+https://github.com/org/repo@v1.2 mcp-server-git --repository /home/me/src",
        "srv --token --verbose",
        "srv https://example.com/a@b",
        "srv https://example.com:8443/mcp",
        "docker run -v /etc/auth:/etc/auth image:1.2",
        "docker run -i --rm -e GITHUB_TOKEN ghcr.io/github/github-mcp-server:v0.5",
        "docker run alpine@sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1",
        "node /opt/mcp/build/index.js --port 3000 --host 127.0.0.1",
        "python3.12 -m keyboard_server --keyboard us --author me",
        "env LANG=C srv",
        "bash -c cd /srv && DEBUG=1 node s.js",
        "cmd /c npx -y server-memory",
        "npx x {\"region\":\"eu\",\"limit\":10}",
        "java -Dfile.encoding=UTF-8 -jar C:\\tools\\server.jar",
        "srv --monkey banana --passive --patch 3",
        "srv 0190f1a2-7c3b-7def-8123-456789abcdef",
    ] {
        assert_eq!(command(line.split(' ').map(str::to_owned)).join(" "), line);
    }
}
