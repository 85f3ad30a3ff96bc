# Formula for a tap. The release fills in url and sha256; `brew install --HEAD` needs neither.
class Hitl < Formula
  desc "Holds the risky tool calls of AI agents until a person approves them"
  homepage "@HOMEPAGE@"
  url "@SOURCE_URL@"
  sha256 "@SOURCE_SHA256@"
  license any_of: ["MIT", "Apache-2.0"]
  head "@REPOSITORY@", branch: "main"

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    %w[hitl-wrap hitl-hub].each do |program|
      generate_completions_from_executable(bin/program, "completions")
    end
    man1.install Dir["packaging/man/*.1"]
    doc.install "config.example.toml"
  end

  # The hub of this user: shims without a configured hub find it, and `hitl-hub open` signs in.
  service do
    run [opt_bin/"hitl-hub", "serve", "--local"]
    keep_alive true
    log_path var/"log/hitl-hub.log"
    error_log_path var/"log/hitl-hub.log"
  end

  def caveats
    <<~TEXT
      Put the shim in front of an MCP server in your client's config:
        command: #{opt_bin}/hitl-wrap
        args: ["--", "npx", "-y", "@modelcontextprotocol/server-everything"]
      Sign in to the page where you approve with: hitl-hub open
    TEXT
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/hitl-wrap --version")
    ENV["HITL_DATA_DIR"] = testpath/"data"
    assert_match "Approved", shell_output("#{bin}/hitl-wrap demo --no-open --auto approve 2>&1")
  end
end
