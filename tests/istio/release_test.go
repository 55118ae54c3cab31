package istio

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	wasmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/wasm/v3"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"google.golang.org/protobuf/types/known/anypb"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pkg/wasm"
	"sigs.k8s.io/yaml"
)

// published are the images of the layout in a registry: their addresses and digests by their tags.
func published(t *testing.T) map[string][2]string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	index, err := layout.ImageIndexFromPath(existing(t, "dist/image", "make image"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	images := map[string][2]string{}
	for _, descriptor := range manifest.Manifests {
		tag := descriptor.Annotations["org.opencontainers.image.ref.name"]
		if strings.Contains(tag, "-native-") {
			// Nothing that Istio could fetch.
			continue
		}
		image, err := index.Image(descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		reference, err := name.ParseReference(host+"/podpin:"+tag, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(reference, image); err != nil {
			t.Fatal(err)
		}
		images[tag] = [2]string{"oci://" + host + "/podpin:" + tag, descriptor.Digest.Hex}
	}
	if len(images) != 2 {
		t.Fatalf("%v", images)
	}
	return images
}

func cache(t *testing.T) wasm.Cache {
	t.Helper()
	cache := wasm.NewLocalFileCache(t.TempDir(), wasm.Options{})
	t.Cleanup(cache.Cleanup)
	return cache
}

func TestIstioFetchesTheImageInEachForm(t *testing.T) {
	module, err := os.ReadFile(existing(t, "dist/podpin.wasm", "make build"))
	if err != nil {
		t.Fatal(err)
	}
	digests := file(t, "dist/digests.txt")
	for tag, image := range published(t) {
		url, digest := image[0], image[1]
		if !strings.Contains(digests, tag+" sha256:"+digest+"\n") {
			t.Errorf("`make image` printed another digest of %s: %s", tag, digests)
		}
		path, err := cache(t).Get(url, wasm.GetOptions{Checksum: digest, RequestTimeout: time.Minute})
		if err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
		if fetched, _ := os.ReadFile(path); !bytes.Equal(fetched, module) {
			t.Errorf("%s: not the module", tag)
		}
		if _, err := cache(t).Get(url, wasm.GetOptions{Checksum: strings.Repeat("0", 64), RequestTimeout: time.Minute}); err == nil {
			t.Errorf("%s: fetched with a digest that it does not have", tag)
		}
	}
}

// What the chart makes of an image's address, handed to the code of Istio's agent as a proxy asks for it.
func TestTheAgentGivesTheProxyAFileOfTheImage(t *testing.T) {
	for tag, image := range published(t) {
		t.Run(tag, func(t *testing.T) {
			values := overlay(t, leastEndpoint, "module: {url: '"+image[0]+"', sha256: '"+image[1]+"'}")
			rendered, err := template(t, "myserver", values)
			if err != nil {
				t.Fatal(rendered)
			}
			c := newCluster(t)
			c.start(t, rendered)
			proxy := c.istiod.SetupProxy(&model.Proxy{
				Type: model.SidecarProxy, ConfigNamespace: "default", Metadata: &model.NodeMetadata{IstioVersion: "1.31.0", Namespace: "default"},
			})
			extensions := c.istiod.ConfigGen.BuildExtensionConfiguration(proxy, c.istiod.PushContext(), []string{"podpin.default.myserver"}, nil)
			if len(extensions) != 1 {
				t.Fatalf("%v", extensions)
			}
			resource, err := anypb.New(extensions[0])
			if err != nil {
				t.Fatal(err)
			}
			resources := []*anypb.Any{resource}
			if err := wasm.MaybeConvertWasmExtensionConfig(resources, cache(t)); err != nil {
				t.Fatal(err)
			}
			var extension core.TypedExtensionConfig
			var filter wasmv3.Wasm
			if err := resources[0].UnmarshalTo(&extension); err != nil {
				t.Fatal(err)
			}
			if err := extension.TypedConfig.UnmarshalTo(&filter); err != nil {
				t.Fatalf("%s: the agent denies in its place: %v", tag, err)
			}
			local := filter.Config.GetVmConfig().Code.GetLocal().GetFilename()
			if fetched, err := os.ReadFile(local); err != nil || !bytes.HasPrefix(fetched, []byte("\x00asm")) {
				t.Errorf("%s: %q: %v", tag, local, err)
			}
		})
	}
}

func TestTheReleaseIsWhole(t *testing.T) {
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS", "podpin.wasm.sha256")
	check.Dir = existing(t, "dist", "make release")
	if output, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	var chart struct{ Version, AppVersion string }
	if err := yaml.Unmarshal([]byte(file(t, "istio/chart/Chart.yaml")), &chart); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(file(t, "Cargo.toml"), "\nversion = \""+chart.Version+"\"\n") || chart.AppVersion != chart.Version {
		t.Errorf("the chart is of %s", chart.Version)
	}
	packaged := existing(t, "dist/podpin-"+chart.Version+".tgz", "make release")
	helm := exec.Command(existing(t, ".tools/bin/helm", "tests/istio/install-tools"), "template", "x", packaged, "--values", "-")
	helm.Stdin = strings.NewReader(leastEndpoint)
	if output, err := helm.CombinedOutput(); err != nil {
		t.Errorf("the packaged chart: %v: %s", err, output)
	}
	var bill struct {
		Components []struct{ Name string }
		Metadata   struct {
			Component struct{ Hashes []struct{ Content string } }
		}
	}
	if err := json.Unmarshal([]byte(file(t, "dist/podpin.cdx.json")), &bill); err != nil {
		t.Fatal(err)
	}
	if sum := file(t, "dist/podpin.wasm.sha256"); len(bill.Components) < 10 || !strings.HasPrefix(sum, bill.Metadata.Component.Hashes[0].Content) {
		t.Errorf("the bill of materials is of another module: %s", sum)
	}
}

// The steps of the workflow that need no forge are run; whatever the others name is there.
func TestTheStepsOfTheReleaseWorkflow(t *testing.T) {
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(file(t, ".github/workflows/release.yaml")), &workflow); err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(strings.TrimPrefix(strings.SplitN(file(t, "dist/digests.txt"), " ", 2)[0], "v"))
	ran := 0
	for _, step := range workflow.Jobs["release"].Steps {
		run := func(tag string) ([]byte, error) {
			shell := exec.Command("bash", "-euo", "pipefail", "-c", step.Run)
			shell.Dir = filepath.Join("..", "..")
			shell.Env = append(os.Environ(), "GITHUB_REF_NAME="+tag)
			return shell.CombinedOutput()
		}
		switch step.Name {
		case "the tag is the version":
			if output, err := run("v" + version); err != nil {
				t.Errorf("%v: %s", err, output)
			}
			if _, err := run("v9.9.9"); err == nil {
				t.Error("any tag will do")
			}
			ran++
		case "what was gathered is whole":
			if output, err := run("v" + version); err != nil {
				t.Errorf("%v: %s", err, output)
			}
			ran++
		case "gather":
			if !strings.HasPrefix(step.Run, "make release ") {
				t.Errorf("%s", step.Run)
			}
			ran++
		default:
			for _, word := range strings.Fields(strings.NewReplacer(`"${GITHUB_REF_NAME#v}"`, version, `"`, " ", "oci:", " ", ":$reference", " ").Replace(step.Run)) {
				if strings.HasPrefix(word, "dist/") && !strings.HasSuffix(word, ".sigstore.json") {
					existing(t, word, "make release")
				}
			}
			if _, err := exec.Command("bash", "-n", "-c", step.Run).CombinedOutput(); err != nil {
				t.Errorf("%s is no script", step.Name)
			}
		}
	}
	if ran != 3 {
		t.Errorf("%d steps were run", ran)
	}
}
