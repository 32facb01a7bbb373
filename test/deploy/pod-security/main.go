// pod-security FILE...: decodes each document into Kubernetes' own types, where nothing may be left over, and holds the
// pods in it against the pod security standard "restricted" with the code of the API server's admission.
//
// Prints a line for each document: FILE KIND/NAME, and "ok" or what is wrong. Exits with 1 when anything is.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

func main() {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	exit := 0
	for _, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
		buffer := make([]byte, len(text)+1)
		for {
			n, err := documents.Read(buffer)
			if errors.Is(err, io.EOF) {
				break
			}
			what, wrong := judge(evaluator, buffer[:n])
			if err != nil {
				wrong = err.Error()
			}
			if wrong == "" {
				wrong = "ok"
			} else {
				exit = 1
			}
			fmt.Printf("%s %s %s\n", file, what, strings.ReplaceAll(wrong, "\n", " "))
		}
	}
	os.Exit(exit)
}

func judge(evaluator policy.Evaluator, document []byte) (what, wrong string) {
	var kind metav1.TypeMeta
	if err := yaml.Unmarshal(document, &kind); err != nil {
		return "?", err.Error()
	}
	var object metav1.Object
	var pod *corev1.PodTemplateSpec
	switch kind.APIVersion + " " + kind.Kind {
	case "v1 Namespace":
		object = &corev1.Namespace{}
	case "v1 PersistentVolumeClaim":
		object = &corev1.PersistentVolumeClaim{}
	case "v1 ConfigMap":
		object = &corev1.ConfigMap{}
	case "v1 Secret":
		object = &corev1.Secret{}
	case "networking.k8s.io/v1 NetworkPolicy":
		object = &networkingv1.NetworkPolicy{}
	case "apps/v1 StatefulSet":
		set := &appsv1.StatefulSet{}
		object, pod = set, &set.Spec.Template
	case "batch/v1 CronJob":
		job := &batchv1.CronJob{}
		object, pod = job, &job.Spec.JobTemplate.Spec.Template
	default:
		return kind.Kind, "of a kind that is not looked at: " + kind.APIVersion
	}
	// An unknown key is an error, and so are one that comes twice and one that differs in a capital.
	asJSON, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return kind.Kind, err.Error()
	}
	strict, err := json.UnmarshalStrict(asJSON, object)
	if err := errors.Join(append(strict, err)...); err != nil {
		return kind.Kind, err.Error()
	}
	what = kind.Kind + "/" + object.GetName()
	if pod == nil {
		return what, ""
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
	if !result.Allowed {
		return what, "forbidden: " + result.ForbiddenDetail()
	}
	return what, ""
}
